"""One cursor over the log for every kind of reader: catch up from the file, then live.

The newest commits are kept in a ring that all readers share, so that a reader which keeps up
never touches the file; one that falls out of the ring is served from the file again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from eventstore.commit import Position, Recorded
from eventstore.ports import EventLog

RING_COMMITS_MAX: Final = 65_536
RING_BYTES_MAX: Final = 64 << 20
PAGE: Final = 1000


class Feed:
    """The commits of a log in order, without a gap or a repeat, for any number of readers."""

    def __init__(
        self,
        log: EventLog,
        *,
        commits_max: int = RING_COMMITS_MAX,
        bytes_max: int = RING_BYTES_MAX,
    ) -> None:
        self._log = log
        self._commits_max = commits_max
        self._bytes_max = bytes_max
        self._ring: list[Recorded] = []
        self._bytes = 0
        self._grown = asyncio.Event()
        self.head = log.size
        log.listen(self._publish)

    async def page(self, after: Position, limit: int = PAGE) -> Sequence[Recorded]:
        """Up to `limit` commits after `after`; empty at the head."""
        if after >= self.head:
            return ()
        oldest = self.head - len(self._ring)
        if after >= oldest:
            return self._ring[after - oldest : after - oldest + limit]
        # The file may hold what is durable but not yet told: that comes with its own batch.
        return await self._log.read(after, min(limit, self.head - after))

    async def grown(self, after: Position) -> None:
        """Return when the log is longer than `after`."""
        while self.head <= after:
            await self._grown.wait()

    async def follow(self, after: Position) -> AsyncIterator[Sequence[Recorded]]:
        """Every commit after `after`, in pages, for ever."""
        while True:
            page = await self.page(after)
            if page:
                after = page[-1].commit.position
                yield page
            else:
                await self.grown(after)

    def _publish(self, batch: Sequence[Recorded]) -> None:
        self._ring.extend(batch)
        self._bytes += sum(len(recorded.body) for recorded in batch)
        self.head = batch[-1].commit.position
        self._trim()
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _trim(self) -> None:
        if len(self._ring) <= self._commits_max and self._bytes <= self._bytes_max:
            return
        # Down to half, so that the cost of moving the rest is paid once in many batches.
        keep = self._commits_max // 2
        size = 0
        first = len(self._ring)
        while first and len(self._ring) - first < keep and size < self._bytes_max // 2:
            first -= 1
            size += len(self._ring[first].body)
        del self._ring[:first]
        self._bytes = size
