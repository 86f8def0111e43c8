"""The log: commits in, commits out, in order. It knows nothing of sessions."""
