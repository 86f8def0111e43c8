"""Reports on their way to the service: few at a time, in order, and the command waits for room."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import msgspec

from sessions.runtimes.worker.lines import Report

REPORTS_MAX: Final = 100
"""How many the service takes at once."""
BATCH_BYTES_MAX: Final = 512 << 10
ROOM: Final = 4 * REPORTS_MAX
ROOM_BYTES: Final = 4 * BATCH_BYTES_MAX


class Outbox:
    """A bounded queue of encoded reports."""

    def __init__(self) -> None:
        self._waiting: deque[msgspec.Raw] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, report: Report) -> None:
        """Add one, once there is room."""
        encoded = msgspec.Raw(msgspec.json.encode(report))
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._waiting.append(encoded)
            self._bytes += len(bytes(encoded))
            self._changed.notify_all()

    async def close(self) -> None:
        """Nothing is added any more."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self) -> list[msgspec.Raw]:
        """The next ones, as soon as there is any; nothing once it is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[msgspec.Raw] = []
            size = 0
            while self._waiting and len(batch) < REPORTS_MAX:
                size += len(bytes(self._waiting[0]))
                if batch and size > BATCH_BYTES_MAX:
                    break
                batch.append(self._waiting.popleft())
                self._bytes -= len(bytes(batch[-1]))
            self._changed.notify_all()
            return batch

    @property
    def done(self) -> bool:
        """Closed, and everything is taken."""
        return self._closed and not self._waiting

    def _has_room(self) -> bool:
        return len(self._waiting) < ROOM and self._bytes < ROOM_BYTES
