"""What stands behind sessions: real machines, browsers and workers."""
