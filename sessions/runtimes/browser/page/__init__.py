"""What can be done on pages: observed, acted on and read in any context of a browser."""
