"""Which version of the service this is."""

from __future__ import annotations

from importlib import metadata
from typing import Final

NAME: Final = "sessiond"


def version() -> str:
    """The version of the service, as it was installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "0"  # run from a folder that nobody installed
