"""The log on SQLite: one writer, a few readers, one process."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

import aiosqlite

from eventstore.commit import (
    START,
    Append,
    Commit,
    Position,
    Recorded,
    decode_array,
    restore,
    restore_array,
)
from eventstore.errors import StorageError
from eventstore.merkle import (
    EMPTY_ROOT,
    LeafAt,
    NodeAt,
    Prover,
    consistency_proof,
    inclusion_proof,
    subtree_root,
    within,
)
from eventstore.ports import Head, Listener
from eventstore.sqlite.proofs import proved
from eventstore.sqlite.storage import (
    QUERIES,
    lock,
    open_error,
    open_reader,
    open_writer,
    scalar,
    storage_error,
)
from eventstore.sqlite.wal import settle_wal
from eventstore.sqlite.writer import Writer

FILE_NAME: Final = "log.db"
READERS: Final = 2
READ_MAX: Final = 10_000
POSITION_MAX: Final = (1 << 63) - 1
PROOFS_MAX: Final = 32
"""How many proofs are computed in one go: of a million commits, they keep the loop for 5 ms."""

_Proof = TypeVar("_Proof")


class SqliteLog:
    """An EventLog in `folder`; made by `open`, ended by `close`."""

    def __init__(
        self,
        writer: aiosqlite.Connection,
        readers: Sequence[aiosqlite.Connection],
        lock_file: IO[str],
        *,
        clock_us: Callable[[], int],
        queue_max: int,
    ) -> None:
        self.epoch = ""
        self._lock_file = lock_file
        self._connection = writer
        self._readers = readers
        self._turn = 0
        self._listeners: list[Listener] = []
        self._writer = Writer(writer, clock_us=clock_us, publish=self._publish, queue_max=queue_max)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        queue_max: int = 16_384,
    ) -> SqliteLog:
        """Open or make the log in `folder`; raises LogLocked, LogFormatError, StorageError."""
        lock_file: IO[str] | None = None
        opened: list[aiosqlite.Connection] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock_file = lock(folder)
            await asyncio.to_thread(settle_wal, folder / FILE_NAME)
            opened.append(await open_writer(folder / FILE_NAME))
            for _ in range(READERS):
                opened.append(await open_reader(folder / FILE_NAME))  # noqa: PERF401 - one may fail
            log = cls(opened[0], opened[1:], lock_file, clock_us=clock_us, queue_max=queue_max)
            await log._start(folder / f"{FILE_NAME}-wal")
        except BaseException as error:
            for connection in opened:
                await connection.close()
            if lock_file is not None:
                lock_file.close()
            if isinstance(error, sqlite3.Error | OSError):
                raise open_error(folder / FILE_NAME, error) from error
            raise
        return log

    async def _start(self, wal: Path) -> None:
        self.epoch = str(await scalar(self._connection, QUERIES["epoch"]))
        await self._writer.load(wal.stat().st_size if wal.exists() else 0)
        self._task = asyncio.create_task(self._writer.run(), name="log writer")

    async def close(self) -> None:
        """Write what is queued, then close; safe to call twice."""
        if self._task is None:
            return
        self._writer.close()
        task, self._task = self._task, None
        try:
            await task
        finally:
            for connection in (*self._readers, self._connection):
                await connection.close()
            self._lock_file.close()

    async def append(self, wish: Append) -> Commit:
        """Append durably; raises Conflict, CommitIdReused, StorageError, LogBusy, LogClosed."""
        return await self._writer.submit(wish)

    async def read(self, after: Position = START, limit: int = 1000) -> list[Recorded]:
        """Up to `limit` commits after `after`, without a gap, in order."""
        return restore_array(await self._page("read", (after,), min(limit, READ_MAX)))

    async def commits(self, after: Position = START, limit: int = 1000) -> list[Commit]:
        """As `read`, for who folds and does not need the bytes."""
        return decode_array(await self._page("read", (after,), min(limit, READ_MAX)))

    async def read_stream(
        self, stream: str, after: Position = START, limit: int = 1000
    ) -> list[Recorded]:
        """Up to `limit` commits of one stream after `after`, in order."""
        wanted = (stream, after, POSITION_MAX)
        return restore_array(await self._page("read_stream", wanted, min(limit, READ_MAX)))

    async def stream_commits(
        self, stream: str, after: Position, until: Position, limit: int = 1000
    ) -> list[Commit]:
        """As `read_stream`, up to and with `until`, for who folds and does not need the bytes."""
        wanted = (stream, after, until)
        return decode_array(await self._page("read_stream", wanted, min(limit, READ_MAX)))

    async def find(self, commit_id: bytes) -> Commit | None:
        """The commit that was appended with `commit_id`."""
        try:
            body = await scalar(self._reader(), QUERIES["find"], (commit_id,))
        except sqlite3.Error as error:
            raise storage_error(error) from error
        return restore(body).commit if isinstance(body, bytes) else None

    @property
    def size(self) -> Position:
        """The position of the last durable commit."""
        return Position(self._writer.tree.size)

    def head(self) -> Head:
        """Size and root after the last durable commit."""
        return Head(self.epoch, self.size, self._writer.tree.root())

    async def position_at(self, at_us: int) -> Position:
        """The last position at or before a time; START where the log begins later."""
        try:
            found = await scalar(self._reader(), QUERIES["position_at"], (at_us,))
        except sqlite3.Error as error:
            raise storage_error(error) from error
        assert isinstance(found, int)
        return min(Position(found), self.size)

    async def root_at(self, size: int) -> bytes:
        """The root after the first `size` commits; raises ValueError beyond the log."""
        if within(size, self.size) in (START, self.size):
            return self.head().root if size else EMPTY_ROOT
        return await self._proved(lambda node, leaf: subtree_root(0, size, node, leaf))

    async def consistency(self, old: int, size: int) -> list[bytes]:
        """That the log of `size` extends that of `old` (RFC 9162); raises ValueError."""
        within(size, self.size)
        return await self._proved(lambda node, leaf: consistency_proof(old, size, node, leaf))

    async def inclusion(self, positions: Sequence[int], size: int) -> list[list[bytes]]:
        """That each position is in the log of `size` (RFC 9162); raises ValueError."""
        within(size, self.size)
        paths: list[list[bytes]] = []
        for begin in range(0, len(positions), PROOFS_MAX):
            some = positions[begin : begin + PROOFS_MAX]

            def prove(node: NodeAt, leaf: LeafAt, some: Sequence[int] = some) -> list[list[bytes]]:
                return [inclusion_proof(position, size, node, leaf) for position in some]

            paths += await self._proved(prove)
        return paths

    @property
    def failure(self) -> StorageError | None:
        """Why the disk refused the last commit; None once it takes writes again."""
        return self._writer.failure

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every later batch."""
        self._listeners.append(listener)

    @property
    def task(self) -> asyncio.Task[None]:
        """The writer's task: where it ends before `close`, the log is broken for good."""
        assert self._task is not None
        return self._task

    def _publish(self, batch: Sequence[Recorded]) -> None:
        for listener in self._listeners:
            listener(batch)

    def _reader(self) -> aiosqlite.Connection:
        self._turn = (self._turn + 1) % len(self._readers)
        return self._readers[self._turn]

    async def _proved(self, prover: Prover[_Proof]) -> _Proof:
        try:
            return await proved(self._reader(), prover)
        except sqlite3.Error as error:
            raise storage_error(error) from error

    async def _page(self, query: str, parameters: tuple[object, ...], limit: int) -> bytes:
        try:
            array = await scalar(self._reader(), QUERIES[query], (*parameters, limit))
        except sqlite3.DataError as error:
            # A page is one value, and SQLite's limit on a value is less than 1000 large commits.
            if limit > 1:
                return await self._page(query, parameters, limit // 2)
            raise storage_error(error) from error
        except sqlite3.Error as error:
            raise storage_error(error) from error
        return array if isinstance(array, bytes) else b"[]"
