"""Group commit: one task owns the connection that writes, and drains what queued meanwhile.

While one batch waits for its fsync, the next one gathers. An append that does not fit fails alone;
a disk that refuses fails the batch, and the writer goes back to what the file really holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

import aiosqlite
import msgspec

from eventstore.commit import (
    BODY_BYTES_MAX,
    START,
    Append,
    Commit,
    Position,
    Recorded,
    check,
    payload_bytes,
    restore,
    same_content,
)
from eventstore.errors import (
    CommitIdReused,
    CommitTooLarge,
    Conflict,
    LogBusy,
    LogClosed,
    LogFormatError,
    StorageError,
    StorageFull,
)
from eventstore.merkle import Tree, frontier_positions, leaf_hash
from eventstore.sqlite.bulk import ROWS_MAX, insert_parameters, insert_sql, padded_size
from eventstore.sqlite.plan import (
    NO_STREAM,
    Plan,
    Row,
    StreamHead,
    plan,
)
from eventstore.sqlite.storage import FORMAT, QUERIES, scalar, storage_error

BATCH_MAX: Final = ROWS_MAX
BATCH_BYTES_MAX: Final = 8 << 20
HEADS_MAX: Final = 200_000
READ_MAX: Final = 1000
# About 32,000 pages: a checkpoint stops the appends, so it is rare under load and early when idle.
CHECKPOINT_BYTES: Final = 128 << 20
CHECKPOINT_BYTES_IDLE: Final = 8 << 20
IDLE_S: Final = 1.0
BATCH_OVERHEAD_BYTES: Final = 32 << 10


class _Pending(msgspec.Struct, frozen=True):
    wish: Append
    size: int
    answer: asyncio.Future[Commit]


class Writer:
    """Appends in batches; `publish` is called once per durable batch, before it is answered."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        *,
        clock_us: Callable[[], int],
        publish: Callable[[Sequence[Recorded]], None],
        queue_max: int,
    ) -> None:
        self.tree = Tree()
        self._connection = connection
        self._clock_us = clock_us
        self._publish = publish
        self._queue_max = queue_max
        self._queue: deque[_Pending] = deque()
        self._heads: OrderedDict[str, StreamHead] = OrderedDict()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._in_step = False
        self._unchecked_bytes = 0
        self.failure: StorageError | None = None

    async def load(self, wal_bytes: int = 0) -> None:
        """Take up the tree where the file stands: log2(n) look-ups; raises LogFormatError.

        `wal_bytes` is what a crash left to be checkpointed.
        """
        self._unchecked_bytes += wal_bytes
        size = await scalar(self._connection, QUERIES["head"])
        assert isinstance(size, int)
        places = msgspec.json.encode(frontier_positions(size)).decode()
        nodes = await self._connection.execute_fetchall(QUERIES["nodes"], (places,))
        try:
            self.tree = Tree(size, [node for (node,) in nodes])
        except ValueError:
            raise LogFormatError(f"commits are missing before position {size}") from None
        self._in_step = True

    def submit(self, wish: Append) -> asyncio.Future[Commit]:
        """Queue `wish`; raises LogClosed, LogBusy, CommitTooLarge or ValueError at once."""
        if self._closing:
            raise LogClosed
        if len(self._queue) >= self._queue_max:
            raise LogBusy(f"{self._queue_max} appends wait")
        check(wish)
        size = payload_bytes(wish)
        if size > BODY_BYTES_MAX:
            raise CommitTooLarge(size)
        answer = self._loop.create_future()
        self._queue.append(_Pending(wish, size, answer))
        self._wake.set()
        return answer

    def close(self) -> None:
        """Take no more appends; `run` returns when the queue is empty."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write until closed and drained."""
        batch: list[_Pending] = []
        try:
            while await self._more():
                # One more turn of the loop lets the requests that are ready join this batch.
                await asyncio.sleep(0)
                batch = self._take()
                await self._commit(batch)
                if self._unchecked_bytes > CHECKPOINT_BYTES:
                    await self._checkpoint()
        finally:
            self._closing = True
            for pending in (*batch, *self._queue):
                _fail(pending, LogClosed())
            self._queue.clear()
        await self._checkpoint()

    async def _more(self) -> bool:
        while not self._queue:
            if self._closing:
                return False
            self._wake.clear()
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                if self.failure is not None:
                    await self._probe()
                if self._unchecked_bytes > CHECKPOINT_BYTES_IDLE:
                    await self._checkpoint()
        return True

    def _take(self) -> list[_Pending]:
        batch: list[_Pending] = []
        size = 0
        while self._queue and len(batch) < BATCH_MAX and size < BATCH_BYTES_MAX:
            pending = self._queue.popleft()
            if not pending.answer.cancelled():
                batch.append(pending)
                size += pending.size
        return batch

    async def _commit(self, batch: list[_Pending]) -> None:
        try:
            if not self._in_step:
                await self._resync()
            made = await self._place(batch)
        except sqlite3.Error as error:
            self._in_step = False
            self.failure = storage_error(error)
            for pending in batch:
                _fail(pending, storage_error(error))
            if self._unchecked_bytes and isinstance(self.failure, StorageFull):
                await self._checkpoint()  # the WAL may be what the disk is full of
            return
        if made.rows:
            self.failure = None
        self._adopt(made)
        for index, row in zip(made.placed, made.rows, strict=True):
            _succeed(batch[index], row.recorded.commit)
        await self._settle([(batch[index], actual) for index, actual in made.aside.items()])

    async def _place(self, batch: list[_Pending]) -> Plan:
        wishes = [pending.wish for pending in batch]
        await self._look_up(
            {w.stream for w in wishes if w.expected != START and w.stream not in self._heads}
        )
        made = plan(wishes, self._heads, self.tree, self._clock_us())
        try:
            await self._insert(made.rows)
        except sqlite3.IntegrityError:
            # A stream that should not exist does, or an id was used before: ask the file.
            await self._look_up({wish.stream for wish in wishes})
            taken = await self._find([wish.commit_id for wish in wishes])
            made = plan(wishes, self._heads, self.tree, self._clock_us(), taken=taken)
            await self._insert(made.rows)
        return made

    async def _insert(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        size = padded_size(len(rows))
        values = [row.columns() for row in rows]
        columns = len(values[0])
        sql = insert_sql(QUERIES["insert_commits"], columns, size)
        # Not `execute`: to close its cursor would be a second hop.
        await self._connection.execute_fetchall(sql, insert_parameters(values, columns, size))
        self._unchecked_bytes += BATCH_OVERHEAD_BYTES
        self._unchecked_bytes += sum(2 * len(row.recorded.body) for row in rows)

    async def _look_up(self, names: set[str]) -> None:
        if not names:
            return
        wanted = msgspec.json.encode(list(names)).decode()
        rows = await self._connection.execute_fetchall(QUERIES["stream_heads"], (wanted,))
        found = {name: StreamHead(key, head) for name, key, head in rows}
        for name in names:
            self._heads[name] = found.get(name, NO_STREAM)

    async def _find(self, ids: Sequence[bytes]) -> dict[bytes, Commit]:
        marks = ", ".join("?" * len(ids))
        rows = await self._connection.execute_fetchall(f"{QUERIES['find_many']} ({marks})", ids)
        return {bytes(row[0]): restore(row[1]).commit for row in rows}

    def _adopt(self, made: Plan) -> None:
        self.tree = made.tree
        for name, head in made.heads.items():
            self._heads[name] = head
            self._heads.move_to_end(name)
        while len(self._heads) > HEADS_MAX:
            self._heads.popitem(last=False)
        if made.rows:
            self._publish([row.recorded for row in made.rows])

    async def _settle(self, aside: Sequence[tuple[_Pending, Position]]) -> None:
        if not aside:
            return
        try:
            originals = await self._find([pending.wish.commit_id for pending, _ in aside])
        except sqlite3.Error as error:
            for pending, _ in aside:
                _fail(pending, storage_error(error))
            return
        for pending, actual in aside:
            wish, original = pending.wish, originals.get(pending.wish.commit_id)
            if original is None:
                _fail(pending, Conflict(wish.stream, wish.expected, actual))
            elif same_content(wish, original):
                _succeed(pending, original)
            else:
                _fail(pending, CommitIdReused(original.position))

    async def _resync(self) -> None:
        """After a failed write the file may hold a batch that was never answered: tell of it."""
        self._heads.clear()
        while True:
            page = (self.tree.size, READ_MAX)
            rows = await self._connection.execute_fetchall(QUERIES["unread"], page)
            if not rows:
                break
            recorded = [restore(body) for (body,) in rows]
            # Leaf by leaf, so that the tree never is ahead of what was told, whatever fails next.
            for one in recorded:
                self.tree.append(leaf_hash(one.body))
            self._publish(recorded)
        self._in_step = True

    async def _probe(self) -> None:
        """Write as a commit does but change nothing: does the disk take writes again?"""
        with contextlib.suppress(sqlite3.Error):
            await self._connection.execute_fetchall(f"PRAGMA user_version = {FORMAT}")
            self.failure = None

    async def _checkpoint(self) -> None:
        # If it fails the WAL keeps everything, and the next one is due after as much again.
        with contextlib.suppress(sqlite3.Error):
            await self._connection.execute_fetchall(QUERIES["checkpoint"])
        self._unchecked_bytes = 0


def _succeed(pending: _Pending, commit: Commit) -> None:
    if not pending.answer.done():
        pending.answer.set_result(commit)


def _fail(pending: _Pending, error: Exception) -> None:
    if not pending.answer.done():
        pending.answer.set_exception(error)
