"""A copy of a database while another process writes it.

The pages are copied in steps, for the sake of progress, but within one read transaction: SQLite
begins anew after each write that falls between two steps, and under constant writes would never
end. Writers are not kept waiting; what they write meanwhile stays in the WAL until the copy is
done.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from eventstore.sqlite.archive import connect
from eventstore.sqlite.storage import storage_error

PAGES_PER_STEP: Final = 1024

Copied = Callable[[int, int], None]
"""Told how many pages are copied, and of how many."""


def copy_database(source: Path, target: Path, copied: Copied) -> None:
    """Make `target` the database at `source` as of one moment, durably; raises StorageError.

    `target` must be an empty file or none; where this raises it is of no use.
    """

    def step(_status: int, remaining: int, total: int) -> None:
        copied(total - remaining, total)

    try:
        connection, shm = connect(source)
        try:
            with closing(connection), closing(sqlite3.connect(target)) as copy:
                copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                connection.backup(copy, pages=PAGES_PER_STEP, progress=step)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable by itself
        finally:
            if shm is not None:
                shm.unlink(missing_ok=True)
        with target.open("rb") as file:
            os.fsync(file.fileno())
            # What is read from here on comes from the disk, not from memory.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except (sqlite3.Error, OSError) as error:
        raise storage_error(error) from error
