"""What a command of the command line raises; apart, so that a worker need not load the service."""

from __future__ import annotations


class CommandError(Exception):
    """The command could not be carried out."""
