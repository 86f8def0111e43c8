"""Reading a log from outside: beside the service that writes it, or from a copy; never writing.

Blocking, for scripts. A log that nobody writes and that has no WAL is opened as immutable, since
SQLite would otherwise leave files beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from eventstore.commit import START, Commit, Position, Recorded, restore
from eventstore.errors import LogFormatError, LogMissing
from eventstore.merkle import Tree, frontier_positions, leaf_hash, subtree_root
from eventstore.ports import Head
from eventstore.sqlite.storage import APPLICATION_ID, FORMAT, QUERIES, storage_error

FILE_NAME: Final = "log.db"
# Short enough to stay in the caches of the processor while it is folded.
PAGE: Final = 500
MAPPED_BYTES: Final = 400 << 20
_BUSY_S: Final = 10.0


class Stored(NamedTuple):
    """One row of the log as it stands there, checked by nobody."""

    position: int
    stream: int
    previous: int
    name: str | None
    id: bytes
    body: bytes
    node: bytes


class Archive:
    """The log in `path`, a data folder or the file itself; use as a context manager.

    `size` is where it ended when it was opened: what is appended later is not seen.
    """

    def __init__(self, path: Path) -> None:
        """Raises LogMissing, LogFormatError or StorageError."""
        self.path = log_file(path)
        self._connection, self._shm = connect(self.path)
        try:
            self._check_format()
            self.epoch = str(self._scalar("epoch"))
            created_at = self._scalar("created_at")
            assert isinstance(created_at, int)
            self.created_at = created_at
            self.size = self.end()
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise self._unreadable(error) from error
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and leave the folder as it was."""
        self._connection.close()
        if self._shm is not None:
            self._shm.unlink(missing_ok=True)

    def pages(
        self, after: Position = START, until: Position | None = None
    ) -> Iterator[list[Stored]]:
        """The rows after `after` up to and with `until`, as they stand there."""
        cursor = self._execute("rows", after, self.size if until is None else until)
        while page := self._fetch(cursor):
            yield list(map(Stored._make, page))

    def bodies(
        self, after: Position = START, until: Position | None = None
    ) -> Iterator[list[bytes]]:
        """As `pages`, but the bodies alone: four times as fast."""
        cursor = self._execute("bodies", after, self.size if until is None else until)
        while page := self._fetch(cursor):
            yield [body for (body,) in page]

    def stream(
        self, name: str, after: Position = START, until: Position | None = None
    ) -> Iterator[Recorded]:
        """The commits of one stream, in order."""
        last = self.size if until is None else until
        cursor = self._execute("stream_bodies", name, after, last)
        while page := self._fetch(cursor):
            for (body,) in page:
                yield restore(body)

    def by_stream(self, until: Position) -> Iterator[list[tuple[Position, bytes]]]:
        """All bodies up to and with `until`, stream by stream, each with where its stream began."""
        # A stream lies all over the file: mapped, the reads are half again as fast.
        self._connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
        cursor = self._execute("by_stream", until)
        while page := self._fetch(cursor):
            yield cast(list[tuple[Position, bytes]], page)

    def streams(self, after: Position, until: Position) -> list[Position]:
        """Where each stream began that has a commit after `after` up to and with `until`."""
        cursor = self._execute("streams", after, until)
        found: set[Position] = set()
        while page := self._fetch(cursor):
            found.update(stream for (stream,) in page)
        return sorted(found)

    def commits_of(
        self, began: Position, until: Position, after: Position = START
    ) -> Iterator[Commit]:
        """The commits of the stream that began there, in order."""
        cursor = self._execute("commits_of", began, after, until)
        while page := self._fetch(cursor):
            for (body,) in page:
                yield restore(body).commit

    def firsts(self, prefix: str) -> Iterator[Commit]:
        """The first commit of each stream whose name begins with `prefix`."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        cursor = self._execute("first_bodies", prefix, end)
        while page := self._fetch(cursor):
            for (body,) in page:
                commit = restore(body).commit
                if commit.position <= self.size:
                    yield commit

    def end(self) -> Position:
        """Where the log ends by now, which `size` does not follow."""
        found = self._scalar("head")
        assert isinstance(found, int)
        return Position(found)

    def commit(self, position: Position) -> Commit:
        """The commit at a position that the log has."""
        return restore(self._row(position).body).commit

    def position_at(self, at_us: int) -> Position:
        """The last position at or before a time; START where the log begins later."""
        found = self._scalar("position_at", at_us)
        assert isinstance(found, int)
        return min(Position(found), self.size)

    def node_at(self, position: int) -> bytes:
        """The stored hash at a position, as the proofs of the tree ask for it."""
        return self._row(position).node

    def leaf_at(self, position: int) -> bytes:
        """The leaf hash at a position."""
        return leaf_hash(self._row(position).body)

    def root(self, size: int) -> bytes:
        """The root of the first `size` commits, from the stored hashes."""
        if size == 0:
            return Tree().root()
        return subtree_root(0, size, self.node_at, self.leaf_at)

    def head(self) -> Head:
        """Size and root, from the stored hashes."""
        nodes = [self.node_at(position) for position in frontier_positions(self.size)]
        return Head(self.epoch, self.size, Tree(self.size, nodes).root())

    def _row(self, position: int) -> Stored:
        rows = self._fetch(self._execute("row", position))
        if not rows:
            raise LogFormatError(f"{self.path} has no commit {position}")
        return Stored._make(rows[0])

    def _check_format(self) -> None:
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise LogFormatError(f"{self.path} is not a sessiond log")
        if version != FORMAT:
            raise LogFormatError(f"{self.path} has format {version}, this version reads {FORMAT}")

    def _scalar(self, query: str, *parameters: object) -> object:
        rows = self._fetch(self._execute(query, *parameters))
        return rows[0][0] if rows else None

    def _execute(self, query: str, *parameters: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(QUERIES[query], parameters)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _fetch(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        try:
            return cursor.fetchmany(PAGE)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> Exception:
        name = getattr(error, "sqlite_errorname", "")
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR"):
            return LogFormatError(f"{self.path}: {error}")
        return storage_error(error)


def log_file(path: Path) -> Path:
    """The file of the log in `path`, a data folder or the file itself; raises LogMissing."""
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise LogMissing(str(path))
    return file


def connect(file: Path) -> tuple[sqlite3.Connection, Path | None]:
    """A connection that cannot write, and a file to remove after it; raises StorageError."""
    uri, shm = read_only_uri(file)
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
    except sqlite3.Error as error:
        raise storage_error(error) from error
    # A file that is no database says so when it is read; what it says need not be UTF-8.
    with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
        connection.executescript("PRAGMA query_only = 1; PRAGMA cache_size = -16384;")
    return connection, shm


def read_only_uri(file: Path) -> tuple[str, Path | None]:
    """By which name to open a database without leaving a trace, and a file to remove after it."""
    mode, shm = "mode=ro", None
    if not being_written(file.parent):
        wal = file.with_name(f"{file.name}-wal")
        if wal.exists() and wal.stat().st_size:
            beside = file.with_name(f"{file.name}-shm")
            shm = None if beside.exists() else beside
        else:
            mode += "&immutable=1"
    return f"{file.absolute().as_uri()}?{mode}", shm


def being_written(folder: Path) -> bool:
    """True if a service holds the data folder."""
    try:
        with (folder / "lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
