"""States as they stood at some positions of the log: a cache, so that the past is soon folded.

A snapshot holds only the streams that changed since the one before, so its size is bounded by what
happened. The state of a stream as of a snapshot is its newest row at or before it.
"""

from __future__ import annotations

import bisect
import sqlite3
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from eventstore.commit import START, Position
from eventstore.sqlite.archive import read_only_uri
from eventstore.sqlite.bulk import ROWS_MAX, insert_parameters, insert_sql, padded_size
from eventstore.sqlite.named import named_queries
from eventstore.sqlite.transaction import Statement, TransactionConnection, transact
from projections.cache_file import Stale, decoded, discard, worthless
from projections.states import Rows
from projections.subjects import VIEWS_VERSION, Subject

FILE_NAME: Final = "snapshots.db"
QUERIES: Final = named_queries("projections", "snapshots.sql")
VERSION: Final = f"snapshots 1, {VIEWS_VERSION}"
_PRAGMAS: Final = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
_READER_PRAGMAS: Final = "PRAGMA query_only = 1; PRAGMA cache_size = -8192;"


class SnapshotLost(Exception):
    """The snapshot was thrown away while it was being read."""


class Snapshots:
    """The snapshots of the log called `epoch` in `folder`; there are none until it is opened."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self.positions: list[Position] = []
        self.path = folder / FILE_NAME
        self._epoch = epoch
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._leftover: Path | None = None

    @property
    def opened(self) -> bool:
        """True if there is a file to read."""
        return self._reader is not None

    @property
    def last(self) -> Position:
        """The newest snapshot, START if there is none."""
        return self.positions[-1] if self.positions else START

    def before(self, position: Position) -> Position:
        """The newest snapshot at or before `position`, START if there is none."""
        found = bisect.bisect_right(self.positions, position)
        return self.positions[found - 1] if found else START

    async def open(self, head: Position) -> None:
        """Open or make the file of a log that ends at `head`; raises sqlite3.Error.

        Anything else found there is thrown away: another file, or snapshots of a longer log.
        """
        try:
            await self._open(head)
        except (Stale, sqlite3.DatabaseError) as error:
            if not worthless(error):
                raise
            await self.throw_away()
            await self._open(head)

    async def _open(self, head: Position) -> None:
        writer = await aiosqlite.connect(
            self.path, isolation_level=None, factory=TransactionConnection
        )
        try:
            await writer.executescript(_PRAGMAS)
            [(tables,)] = await writer.execute_fetchall(QUERIES["count_tables"])
            if tables == 0:
                await writer.executescript(f"BEGIN IMMEDIATE; {QUERIES['make']} COMMIT;")
                await writer.execute_fetchall(QUERIES["start"], (self._epoch, VERSION))
            positions = await self._checked(writer, head)
            await transact(writer, [(QUERIES["drop_unfinished"], ())])
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            self._reader = await _reader(uri)
        except BaseException:
            await writer.close()
            raise
        self._writer, self.positions = writer, positions

    async def open_beside(self, head: Position) -> bool:
        """Open what a service left or writes there, without a trace; False if that is no use."""
        if not self.path.is_file():
            return False
        uri, self._leftover = read_only_uri(self.path)
        try:
            self._reader = await _reader(uri)
            self.positions = await self._checked(self._reader, head)
        except (Stale, sqlite3.Error):
            await self.close()
            return False
        return True

    async def _checked(self, source: aiosqlite.Connection, head: Position) -> list[Position]:
        origin = list(await source.execute_fetchall(QUERIES["origin"]))
        if not origin or tuple(origin[0]) != (self._epoch, VERSION):
            raise Stale
        rows = await source.execute_fetchall(QUERIES["positions"])
        positions = [Position(position) for (position,) in rows]
        if positions and positions[-1] > head:
            raise Stale
        return positions

    async def close(self) -> None:
        """Close every connection; there are no snapshots then."""
        self.positions = []
        async with AsyncExitStack() as open_ones:
            # The writer is the last to be closed: it takes the WAL with it.
            for connection in (self._writer, self._reader):
                if connection is not None:
                    open_ones.push_async_callback(connection.close)
            self._reader, self._writer = None, None
        if self._leftover is not None:
            self._leftover.unlink(missing_ok=True)

    async def throw_away(self) -> None:
        """Remove the file; it can be opened anew."""
        await self.close()
        discard(self.path)

    async def write(self, rows: Rows, snapshot: Position) -> None:
        """Add rows (by prefix, as the views have them) to a snapshot that does not count yet."""
        assert self._writer is not None
        kept = [
            (prefix, row[0], snapshot, row[1], row[-1])
            for prefix, subject_rows in rows.items()
            for row in subject_rows
        ]
        statements: list[Statement] = []
        for start in range(0, len(kept), ROWS_MAX):
            chunk = kept[start : start + ROWS_MAX]
            size = padded_size(len(chunk))
            sql = insert_sql(QUERIES["insert_states"], 5, size)
            statements.append((sql, insert_parameters(chunk, 5, size)))
        await transact(self._writer, statements)

    async def finish(self, snapshot: Position) -> None:
        """All rows of the snapshot are written: it counts from now on."""
        assert self._writer is not None
        await transact(self._writer, [(QUERIES["finish"], (snapshot,))])
        self.positions.append(snapshot)

    async def states(self, subject: Subject, ids: Iterable[str], snapshot: Position) -> list[Any]:
        """The states of these ids as of a snapshot, in no order."""
        if snapshot == START:
            return []
        wanted = msgspec.json.encode(list(ids)).decode()
        return await self._fetch(subject, "states", (wanted, subject.prefix, snapshot), snapshot)

    async def newest(
        self, subject: Subject, snapshot: Position, before: int, limit: int
    ) -> list[Any]:
        """Up to `limit` states as of a snapshot that were created before a position, last first."""
        if snapshot == START:
            return []
        parameters = (subject.prefix, before, snapshot, limit)
        return await self._fetch(subject, "newest", parameters, snapshot)

    async def _fetch(
        self, subject: Subject, query: str, parameters: tuple[object, ...], snapshot: Position
    ) -> list[Any]:
        self._check(snapshot)
        assert self._reader is not None
        rows = list(await self._reader.execute_fetchall(QUERIES[query], parameters))
        self._check(snapshot)
        return decoded(rows, msgspec.json.Decoder(subject.state).decode)

    def _check(self, snapshot: Position) -> None:
        if self.before(snapshot) != snapshot:
            raise SnapshotLost


async def _reader(uri: str) -> aiosqlite.Connection:
    reader = await aiosqlite.connect(uri, uri=True, isolation_level=None)
    try:
        await reader.executescript(_READER_PRAGMAS)
    except BaseException:
        await reader.close()
        raise
    return reader
