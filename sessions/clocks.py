"""Deadlines that survive a restart: they stand in the views, which come from the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from eventstore.errors import LogBusy, LogClosed, StorageError
from projections.folds.session import SECOND_US
from projections.views.store import QUERIES, Views
from sessions.caller import SERVICE
from sessions.domain.commands import FireClocks
from sessions.domain.rejections import Rejection
from sessions.service import Sessions

TICK_S: Final = 0.5
MORE_S: Final = 0.05
BATCH: Final = 200

_log = structlog.get_logger()


class Clocks:
    """Ends sessions whose idle or absolute deadline has passed, at most a tick late."""

    def __init__(self, views: Views, sessions: Sessions, clock_us: Callable[[], int]) -> None:
        self._views = views
        self._sessions = sessions
        self._clock_us = clock_us
        self._crashed: set[str] = set()

    async def run(self) -> None:
        """Fire until cancelled."""
        while True:
            fired = await self._fire()
            await asyncio.sleep(MORE_S if fired == BATCH else TICK_S)

    async def _fire(self) -> int:
        now = self._clock_us()
        try:
            due = await self._views.fetch(QUERIES["due"], (now, BATCH))
            ended = sum([await self._end(session_id.decode()) for session_id, _ in due])
        except (sqlite3.Error, StorageError, LogBusy, LogClosed) as error:
            # The disk refuses: the deadline stands, the next tick tries again.
            _log.warning("clock.failed", error=str(error))
            return 0
        if ended:
            _log.info("clock.fired", sessions=ended, late_s=(now - due[0][1]) / SECOND_US)
        return len(due)

    async def _end(self, session_id: str) -> bool:
        try:
            await self._sessions.execute(session_id, FireClocks(), SERVICE)
        except Rejection as rejection:
            # It moved on by itself since the views were written.
            _log.debug("clock.rejected", session=session_id, code=rejection.code)
        except (StorageError, LogBusy, LogClosed):
            raise
        except Exception as error:  # noqa: BLE001 - one session must not stop the clocks of all
            if session_id not in self._crashed:
                _log.error("clock.crashed", session=session_id, exc_info=error)
            self._crashed.add(session_id)
        else:
            return True
        return False
