"""The oracle: a log in memory, as plain as can be, that every other log is compared with."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

from eventstore.commit import (
    BODY_BYTES_MAX,
    START,
    Append,
    Commit,
    Position,
    Recorded,
    check,
    payload_bytes,
    record,
    same_content,
)
from eventstore.errors import CommitIdReused, CommitTooLarge, Conflict, StorageError
from eventstore.merkle import (
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    within,
)
from eventstore.ports import Head, Listener


class MemoryLog:
    """An EventLog that forgets everything when it goes."""

    def __init__(self, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._clock_us = clock_us
        self._log: list[Recorded] = []
        self._heads: dict[str, Position] = {}
        self._ids: dict[bytes, Position] = {}
        self._tree = Tree()
        self._nodes: list[bytes] = []
        self._listeners: list[Listener] = []
        self.failure: StorageError | None = None

    async def append(self, wish: Append) -> Commit:
        """Append; raises Conflict, CommitIdReused, CommitTooLarge or ValueError."""
        check(wish)
        if payload_bytes(wish) > BODY_BYTES_MAX:
            raise CommitTooLarge(payload_bytes(wish))
        if wish.commit_id in self._ids:
            original = self._log[self._ids[wish.commit_id] - 1].commit
            if same_content(wish, original):
                return original
            raise CommitIdReused(original.position)
        head = self._heads.get(wish.stream, START)
        if wish.expected is not None and wish.expected != head:
            raise Conflict(wish.stream, wish.expected, head)
        recorded = record(wish, Position(len(self._log) + 1), head, self._clock_us())
        self._log.append(recorded)
        self._heads[wish.stream] = self._ids[wish.commit_id] = recorded.commit.position
        self._nodes.append(self._tree.append(leaf_hash(recorded.body)))
        for listener in self._listeners:
            listener([recorded])
        return recorded.commit

    async def read(self, after: Position = START, limit: int = 1000) -> list[Recorded]:
        """Up to `limit` commits after `after`."""
        return self._log[after : after + limit]

    async def commits(self, after: Position = START, limit: int = 1000) -> list[Commit]:
        """As `read`, without the bytes."""
        return [recorded.commit for recorded in await self.read(after, limit)]

    async def read_stream(
        self, stream: str, after: Position = START, limit: int = 1000
    ) -> list[Recorded]:
        """Up to `limit` commits of one stream after `after`."""
        return [r for r in self._log[after:] if r.commit.stream == stream][:limit]

    async def stream_commits(
        self, stream: str, after: Position, until: Position, limit: int = 1000
    ) -> list[Commit]:
        """As `read_stream`, up to and with `until`, without the bytes."""
        found = (recorded.commit for recorded in self._log[after:until])
        return [commit for commit in found if commit.stream == stream][:limit]

    async def find(self, commit_id: bytes) -> Commit | None:
        """The commit that was appended with `commit_id`."""
        position = self._ids.get(commit_id)
        return None if position is None else self._log[position - 1].commit

    @property
    def size(self) -> Position:
        """The position of the last commit."""
        return Position(len(self._log))

    def head(self) -> Head:
        """Size and root after the last commit."""
        return Head("memory", self.size, self._tree.root())

    async def position_at(self, at_us: int) -> Position:
        """The last position at or before a time."""
        return Position(bisect_right(self._log, at_us, key=lambda one: one.commit.at))

    async def root_at(self, size: int) -> bytes:
        """The root after the first `size` commits."""
        tree = Tree()
        for one in self._log[: within(size, self.size)]:
            tree.append(leaf_hash(one.body))
        return tree.root()

    async def consistency(self, old: int, size: int) -> list[bytes]:
        """That the log of `size` extends that of `old`."""
        return consistency_proof(old, within(size, self.size), self._node_at, self._leaf_at)

    async def inclusion(self, positions: Sequence[int], size: int) -> list[list[bytes]]:
        """That each position is in the log of `size`."""
        within(size, self.size)
        return [inclusion_proof(p, size, self._node_at, self._leaf_at) for p in positions]

    def _node_at(self, position: int) -> bytes:
        return self._nodes[position - 1]

    def _leaf_at(self, position: int) -> bytes:
        return leaf_hash(self._log[position - 1].body)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every later batch."""
        self._listeners.append(listener)
