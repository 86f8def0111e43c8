"""The tests that WAVE runs: which there are, and the files they are made of."""
