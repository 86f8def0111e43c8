"""What the rest of the service asks of a log; the in-memory oracle and SQLite both give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from eventstore.commit import START, Append, Commit, Position, Recorded
from eventstore.errors import StorageError

Listener = Callable[[Sequence[Recorded]], None]
"""Called in the order of positions, once per durable batch, before the appenders are answered."""


class Head(msgspec.Struct, frozen=True):
    """The size of a log and the root of its tree; `epoch` names the log itself."""

    epoch: str
    size: Position
    root: bytes


class EventLog(Protocol):
    """An append-only log of commits.

    No reader sees position n + 1 before n. An answered append survives the crash of the process
    and, where the disk keeps its word, of the machine.
    """

    async def append(self, wish: Append) -> Commit:
        """Append durably; raises Conflict, CommitIdReused, StorageError, LogBusy, LogClosed."""
        ...

    async def read(self, after: Position = START, limit: int = 1000) -> list[Recorded]:
        """Up to `limit` commits after `after`, without a gap, in order."""
        ...

    async def commits(self, after: Position = START, limit: int = 1000) -> list[Commit]:
        """As `read`, for who folds and does not need the bytes."""
        ...

    async def read_stream(
        self, stream: str, after: Position = START, limit: int = 1000
    ) -> list[Recorded]:
        """Up to `limit` commits of one stream after `after`, in order."""
        ...

    async def stream_commits(
        self, stream: str, after: Position, until: Position, limit: int = 1000
    ) -> list[Commit]:
        """As `read_stream`, up to and with `until`, for who folds and does not need the bytes."""
        ...

    async def find(self, commit_id: bytes) -> Commit | None:
        """The commit that was appended with `commit_id`."""
        ...

    @property
    def size(self) -> Position:
        """The position of the last durable commit; costs nothing."""
        ...

    def head(self) -> Head:
        """Size and root after the last durable commit."""
        ...

    async def position_at(self, at_us: int) -> Position:
        """The last position at or before a time; START where the log begins later."""
        ...

    async def root_at(self, size: int) -> bytes:
        """The root after the first `size` commits; raises ValueError beyond the log."""
        ...

    async def consistency(self, old: int, size: int) -> list[bytes]:
        """That the log of `size` extends that of `old` (RFC 9162); raises ValueError."""
        ...

    async def inclusion(self, positions: Sequence[int], size: int) -> list[list[bytes]]:
        """That each position is in the log of `size` (RFC 9162); raises ValueError."""
        ...

    @property
    def failure(self) -> StorageError | None:
        """Why the disk refused the last commit; None once it takes writes again."""
        ...

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every later batch."""
        ...
