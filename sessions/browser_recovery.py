"""After a start: what became of the browsers of the service that ran before, and their sessions.

No browser outlives its service: a session whose browser had opened is lost, one that still waited
for its browser goes on waiting. It may be interrupted and repeated at any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import structlog

from eventstore.codec import Fact
from eventstore.errors import EventStoreError
from projections.events.browser import BrowserClosed
from projections.events.status import Status
from projections.folds.session import Session
from sessions.browser_book import BrowserBook, moved
from sessions.browser_course import ALIVE
from sessions.browser_files import Files
from sessions.runtimes.browser.port import Browsers

RETRY_S: Final = 1.0
RESTARTED: Final = "The service was started anew."

_log = structlog.get_logger()

Open = Callable[[], AsyncIterator[Session]]
"""Every session that wanted a browser of which nothing says that it is no more."""


class Recovery:
    """Tells what a crash left untold, and opens the browsers that sessions still wait for."""

    def __init__(
        self, book: BrowserBook, runtime: Browsers, files: Files, open_sessions: Open
    ) -> None:
        self._book = book
        self._runtime = runtime
        self._files = files
        self._open_sessions = open_sessions
        self.done = asyncio.Event()

    async def sweep(self) -> None:
        """Nothing is left of the browsers of before when this returns."""
        await self._runtime.open()
        await self._files.sweep()

    async def tried(self, begin: Callable[[Session], None]) -> bool:
        """Recover; `begin` is told of each session that waits for its browser.

        False if the disk refuses: it has to be tried again, and there are no browsers until then.
        """
        try:
            waiting = [
                session async for session in self._open_sessions() if not await self._told(session)
            ]
        except EventStoreError as error:
            _log.warning("browsers.not_recovered", error=str(error))
            return False
        self.done.set()
        for session in waiting:
            begin(session)
        return True

    async def again(self, begin: Callable[[Session], None]) -> None:
        """Recover, as soon as the disk takes it."""
        while True:
            await asyncio.sleep(RETRY_S)
            if await self.tried(begin):
                return

    async def _told(self, session: Session) -> bool:
        """True if the visit is over; False if the session goes on waiting for its browser."""
        visit = session.browser
        over = session.ended or session.deleted
        if not over and visit is not None and visit.opened_at is None:
            starting = frozenset[Status]({"starting"})
            await self._book.move(
                session.id, "queued", "service_restart", RESTARTED, only_from=starting
            )
            return False
        await self._book.tell(session.id, _lost)
        return True


def _lost(state: Session) -> tuple[Fact, ...]:
    if state.browser is None or not state.browser.open:
        return ()
    closed = BrowserClosed(reason="service_restart", detail=RESTARTED)
    return closed, *moved(state, "lost", "service_restart", RESTARTED, ALIVE)
