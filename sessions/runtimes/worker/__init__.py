"""The worker: a program that runs a command once for each session that it claims."""
