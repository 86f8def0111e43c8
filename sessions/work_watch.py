"""Takes sessions from workers that are not heard of in time, also after a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from eventstore.errors import EventStoreError
from projections.folds.session import Session
from sessions.work import Work

TICK_S: Final = 0.25
RETRY_S: Final = 1.0
AT_ONCE: Final = 64

_log = structlog.get_logger()

Held = Callable[[], AsyncIterator[Session]]
"""Every session that a worker had when the service stopped."""


class WorkWatch:
    """Ends leases, at most a tick late."""

    def __init__(self, work: Work, held: Held) -> None:
        self._work = work
        self._held = held
        self._crashed: set[str] = set()

    async def run(self) -> None:
        """Find the workers of before, which get a whole lease each, then watch; until cancelled."""
        found = False
        while not found:
            found = await self._find()
        while True:
            await self._tick()
            await asyncio.sleep(TICK_S)

    async def _find(self) -> bool:
        try:
            async for session in self._held():
                self._work.remember(session)
        except (sqlite3.Error, EventStoreError) as error:
            _log.warning("work.delayed", error=str(error))
            await asyncio.sleep(RETRY_S)
            return False
        return True

    async def _tick(self) -> None:
        over = self._work.leases.over()
        for begin in range(0, len(over), AT_ONCE):
            some = over[begin : begin + AT_ONCE]
            await asyncio.gather(*[self._lapse(*each) for each in some])

    async def _lapse(self, session_id: str, generation: int) -> None:
        try:
            await self._work.lapse(session_id, generation)
        except EventStoreError as error:
            # The disk refuses: the lease is over all the same, the next tick tries again.
            _log.warning("work.delayed", session=session_id, error=str(error))
        except Exception as error:  # noqa: BLE001 - one session must not stop the watch of all
            if session_id not in self._crashed:
                _log.error("work.crashed", session=session_id, exc_info=error)
            self._crashed.add(session_id)
