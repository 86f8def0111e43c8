"""A log made again in a new file from the commits of another: same positions, same bodies.

For a file that nobody reads before it is finished: nothing of it is durable until then.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from eventstore.commit import COMMIT_ID_BYTES, START, Position, Recorded
from eventstore.errors import EventStoreError
from eventstore.merkle import Tree, leaf_hash
from eventstore.ports import Head
from eventstore.sqlite.named import named_queries, sql_text
from eventstore.sqlite.plan import NO_STREAM, Row, StreamHead
from eventstore.sqlite.storage import APPLICATION_ID, FORMAT, PACKAGE, QUERIES, storage_error

_QUERIES: Final = named_queries(PACKAGE, "bulkload.sql")
HEADS_MAX: Final = 200_000
_INSERT: Final = f"{QUERIES['insert_commits']} VALUES (?, ?, ?, ?, ?, ?, ?)"
_PRAGMAS: Final = """
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
PRAGMA locking_mode = EXCLUSIVE;
"""


class NotNext(EventStoreError):
    """The commit cannot be the next one of this log."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"position {position}: {why}")
        self.position = position
        self.why = why


class BulkLoad:
    """The new log; `tree` is that of the commits so far. Raises StorageError and NotNext."""

    def __init__(self, file: Path, epoch: str, created_at: int) -> None:
        self.tree = Tree()
        self._epoch = epoch
        self._file = file
        self._heads: dict[str, StreamHead] = {}
        self._connection = sqlite3.connect(file, isolation_level=None)
        try:
            self._connection.executescript(
                f"{_PRAGMAS} BEGIN; {sql_text(PACKAGE, 'schema.sql')}"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
            )
            self._connection.execute(QUERIES["start_log"], (epoch, created_at))
            # Made once over all rows, the indexes cost a third of what they do row by row.
            self._later = self._connection.execute(_QUERIES["made_later"]).fetchall()
            for kind, name, _ in self._later:
                self._connection.execute(f"DROP {kind} {name}")
        except sqlite3.Error as error:
            self.close()
            raise storage_error(error) from error

    def close(self) -> None:
        """Give up what is not finished."""
        self._connection.close()

    def append(self, page: Sequence[Recorded]) -> None:
        """The commits that come next; once it has raised, the file is of no use."""
        try:
            self._connection.executemany(_INSERT, map(self._row, page))
        except sqlite3.Error as error:
            raise storage_error(error) from error

    def finish(self) -> Head:
        """Make the file whole and durable; the head of the log in it."""
        try:
            for _, _, sql in self._later:
                self._connection.execute(sql)
            self._connection.execute("COMMIT")
            self.close()
            with self._file.open("rb") as file:
                os.fsync(file.fileno())
        except sqlite3.IntegrityError as error:
            repeated: int = self._connection.execute(_QUERIES["first_repeated"]).fetchone()[0]
            raise NotNext(repeated, "its id or its place in its stream was taken") from error
        except (sqlite3.Error, OSError) as error:
            raise storage_error(error) from error
        return Head(self._epoch, Position(self.tree.size), self.tree.root())

    def _row(self, recorded: Recorded) -> tuple[object, ...]:
        commit = recorded.commit
        position, stream = commit.position, commit.stream
        if position != self.tree.size + 1:
            raise NotNext(position, f"it follows position {self.tree.size}")
        key, head = self._heads.get(stream) or self._look_up(stream, commit.previous)
        if commit.previous != head:
            raise NotNext(position, f"{stream} stands at {head}, not at {commit.previous}")
        if len(self._heads) >= HEADS_MAX and stream not in self._heads:
            self._heads.clear()
        self._heads[stream] = StreamHead(key or position, position)
        node = self.tree.append(leaf_hash(recorded.body))
        return Row(recorded, key or position, _id(commit.id, position), node).columns()

    def _look_up(self, stream: str, previous: Position) -> StreamHead:
        """The stream if it has a commit there; the indexes find out whether that was its last."""
        if previous == START:
            return NO_STREAM
        rows = self._connection.execute(_QUERIES["stream_before"], (previous,)).fetchall()
        name, key = rows[0] if rows else (None, START)
        return StreamHead(key, previous) if name == stream else NO_STREAM


def _id(text: str, position: Position) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != COMMIT_ID_BYTES or raw.hex() != text:
        raise NotNext(position, f"its id is not {COMMIT_ID_BYTES} bytes in hexadecimal")
    return raw
