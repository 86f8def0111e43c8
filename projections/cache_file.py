"""When the file of a cache is worthless: it is another's, or no database any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.errors import StorageUnavailable

_DAMAGED: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_IOERR_SHORT_READ")
_NOT_OURS: Final = (*_DAMAGED, "SQLITE_ERROR")
# What it says of texts in a row that are not what was written there.
_GARBLED: Final = ("malformed JSON", "Could not decode to UTF-8")


class Stale(Exception):
    """The file belongs to another log, another version or another user."""


class Garbled(sqlite3.DatabaseError):
    """The pages of the file are sound to SQLite, what stands in a row is not."""

    sqlite_errorname = "SQLITE_CORRUPT"


def worthless(error: Exception) -> bool:
    """True if the file is not what it should be; a disk that refuses says nothing of the file."""
    name: str = getattr(error, "sqlite_errorname", "")
    return isinstance(error, Stale) or name.startswith(_NOT_OURS) or damaged(error)


class CacheDamaged(StorageUnavailable):
    """The file of a cache cannot be read any more; a start makes it anew."""


def damaged(error: Exception) -> bool:
    """True if what stands in the file is not what was written there."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name.startswith(_DAMAGED) or str(error).startswith(_GARBLED)


def decoded(rows: Iterable[Any], decode: Callable[[Any], Any]) -> list[Any]:
    """The states in rows of one column; raises Garbled."""
    try:
        return [decode(text) for (text,) in rows]
    except (msgspec.DecodeError, TypeError) as error:  # TypeError: it is no text at all
        raise Garbled(str(error)) from error


def discard(path: Path) -> None:
    """Remove the file of a cache, with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
