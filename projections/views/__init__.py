"""The read model: a local SQLite file that can be deleted, for it comes back from the log."""
