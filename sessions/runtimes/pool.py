"""What waits, warm, for whoever wants it; made one at a time, when nobody else is served."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

_QUIET_POLL_S: Final = 0.05
_REST_S: Final = 0.3
_AGAIN_S: Final = 5.0


class Spare(Protocol):
    """What may wait."""

    @property
    def alive(self) -> bool:
        """False where it has ended meanwhile."""

    async def stop(self) -> None:
        """Nobody wants it any more."""


S = TypeVar("S", bound=Spare)


class WarmPool(Generic[S]):
    """Up to so many of each size, refilled in the background."""

    def __init__(
        self,
        sizes: Mapping[int, int],
        make: Callable[[int], Awaitable[S]],
        busy: Callable[[], bool],
        failed: Callable[[Exception], None],
        failure: type[Exception],
    ) -> None:
        """`make` may raise the failure: `failed` is told, and after a while it is tried again."""
        self._sizes = dict(sizes)
        self._make = make
        self._busy = busy
        self._failed = failed
        self._failure = failure
        self._waiting: defaultdict[int, deque[S]] = defaultdict(deque)
        self._wanted = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None
        self._asked = -_REST_S

    @property
    def wanted(self) -> bool:
        """True if any spare is to be kept warm."""
        return any(self._sizes.values())

    def start(self) -> None:
        """Begin to fill; nothing where nothing is wanted."""
        if self.wanted and self._filling is None:
            self._wanted.set()
            self._filling = asyncio.create_task(self._fill())

    @property
    def count(self) -> int:
        """How many spares wait."""
        return sum(len(spares) for spares in self._waiting.values())

    def take(self, size: int) -> S | None:
        """A spare that answers, if one waits: the longest there."""
        waiting = self._waiting[size]
        self._asked = time.monotonic()
        self._wanted.set()
        while waiting:
            spare = waiting.popleft()
            if spare.alive:
                return spare
        return None

    async def close(self) -> None:
        """No spare waits any more, and none is being made."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        spares = [spare for waiting in self._waiting.values() for spare in waiting]
        self._waiting.clear()
        await asyncio.gather(*(spare.stop() for spare in spares))

    async def _fill(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while (size := self._lacking()) is not None:
                # Whoever waits for a spare now goes first, and then has a while for itself.
                if self._busy() or time.monotonic() - self._asked < _REST_S:
                    await asyncio.sleep(_QUIET_POLL_S)
                    continue
                try:
                    spare = await self._make(size)
                except self._failure as error:
                    self._failed(error)
                    await asyncio.sleep(_AGAIN_S)
                else:
                    self._waiting[size].append(spare)

    def _lacking(self) -> int | None:
        for size, wanted in self._sizes.items():
            waiting = self._waiting[size]
            for spare in [spare for spare in waiting if not spare.alive]:
                waiting.remove(spare)
            if len(waiting) < wanted:
                return size
        return None
