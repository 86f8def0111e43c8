"""When the file of a cache is worthless: it is another's, or no database any more."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from eventstore.errors import StorageUnavailable

_DAMAGED: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR_SHORT_READ")
_NOT_OURS: Final = (*_DAMAGED, "SQLITE_ERROR")


class Stale(Exception):
    """The file belongs to another log, another version or another user."""


def worthless(error: Exception) -> bool:
    """True if the file is not what it should be; a disk that refuses says nothing of the file."""
    name: str = getattr(error, "sqlite_errorname", "")
    return isinstance(error, Stale) or name.startswith(_NOT_OURS)


class CacheDamaged(StorageUnavailable):
    """The file of a cache cannot be read any more; it is made anew at the next start."""


def damaged(error: Exception) -> bool:
    """True if what stands in the file is not what was written there."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name.startswith(_DAMAGED)


def discard(path: Path) -> None:
    """Remove the file of a cache, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
