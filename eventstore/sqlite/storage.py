"""Opening the file of a log, and naming what a disk can do to it."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import time
import uuid
from pathlib import Path
from typing import IO, Any, Final

import aiosqlite

from eventstore.errors import (
    LogFormatError,
    LogLocked,
    StorageError,
    StorageFull,
    StorageUnavailable,
)
from eventstore.merkle import leaf_hash
from eventstore.sqlite.named import named_queries, sql_text

PACKAGE: Final = "eventstore.sqlite"
QUERIES: Final = named_queries(PACKAGE)
APPLICATION_ID: Final = 0x73657373  # "sess"
FORMAT: Final = 1
# A page of full commits is halved until it fits.
PAGE_BYTES_MAX: Final = 64 << 20
_DAMAGED: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
LOCK_TRIES: Final = 3
LOCK_RETRY_S: Final = 0.01

# performance.md section 6: FULL costs little once batched; one connection writes and checkpoints,
# so that the WAL-reset bug of SQLite before 3.51.3 cannot strike.
_WRITER_PRAGMAS: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 0;
PRAGMA mmap_size = 0;
PRAGMA trusted_schema = 0;
PRAGMA busy_timeout = 0;
"""


def lock(folder: Path) -> IO[str]:
    """Hold the folder for this process until the file is closed; raises LogLocked."""
    handle = (folder / "lock").open("a+", encoding="ascii")
    for attempt in range(LOCK_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if attempt + 1 < LOCK_TRIES:
                time.sleep(LOCK_RETRY_S)  # a reader that looks whether the folder is held
                continue
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            handle.close()
            raise LogLocked(f"{folder}, process {owner}") from None
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


async def open_writer(path: Path) -> aiosqlite.Connection:
    """The one connection that writes and checkpoints; makes the tables in a new file."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=64)
    try:
        await _ensure_schema(connection, path)  # first, so that a foreign file stays as it is
        await connection.executescript(_WRITER_PRAGMAS)
    except BaseException:
        await connection.close()
        raise
    return connection


class _BoundedConnection(sqlite3.Connection):
    """A connection that makes no value larger than PAGE_BYTES_MAX."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, PAGE_BYTES_MAX)


async def open_reader(path: Path) -> aiosqlite.Connection:
    """A connection that cannot write."""
    connection = await aiosqlite.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        factory=_BoundedConnection,
    )
    try:
        connection.text_factory = bytes  # bodies are decoded by msgspec, from bytes
        await connection.create_function("leaf_hash", 1, leaf_hash, deterministic=True)
        await connection.executescript("PRAGMA query_only = 1; PRAGMA cache_size = -16384;")
    except BaseException:
        await connection.close()
        raise
    return connection


async def _ensure_schema(connection: aiosqlite.Connection, path: Path) -> None:
    try:
        application = await scalar(connection, "PRAGMA application_id")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", None) == "SQLITE_NOTADB":
            raise LogFormatError(f"{path} is not a database") from error
        raise
    version = await scalar(connection, "PRAGMA user_version")
    tables = await scalar(connection, "SELECT count(*) FROM sqlite_schema")
    if (application, version, tables) == (0, 0, 0):
        await connection.executescript(
            f"BEGIN IMMEDIATE; {sql_text(PACKAGE, 'schema.sql')}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        )
    elif application != APPLICATION_ID:
        raise LogFormatError(f"{path} is not a sessiond log")
    elif version != FORMAT:
        raise LogFormatError(f"{path} has format {version}, this version reads {FORMAT}")
    if await scalar(connection, "SELECT count(*) FROM log") == 0:
        now_us = time.time_ns() // 1000
        await connection.execute(QUERIES["start_log"], (uuid.uuid4().hex, now_us))


async def scalar(
    connection: aiosqlite.Connection, sql: str, parameters: tuple[object, ...] = ()
) -> object:
    """The one value that a query gives, or None; one thread hop."""
    rows = list(await connection.execute_fetchall(sql, parameters))
    return rows[0][0] if rows else None


def open_error(path: Path, error: sqlite3.Error | OSError) -> LogFormatError | StorageError:
    """What an error says of the file that was to be opened, or else of its disk."""
    if getattr(error, "sqlite_errorname", "").startswith(_DAMAGED):
        return LogFormatError(f"{path}: {error}")
    return storage_error(error)


def storage_error(error: sqlite3.Error | OSError) -> StorageError:
    """What an error of SQLite or of the system says about the disk."""
    if isinstance(error, OSError):
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageUnavailable
        return kind(str(error))
    name = getattr(error, "sqlite_errorname", None) or str(error)
    return StorageFull(name) if name == "SQLITE_FULL" else StorageUnavailable(name)
