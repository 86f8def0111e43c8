"""A browser that somebody steers by its debugger: told at the beginning and at the end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from projections.events.browser import BrowserAttached, BrowserDetached
from sessions.browser_book import BrowserBook
from sessions.browser_life import Life
from sessions.caller import Caller
from sessions.usage import in_use

MS_US: Final = 1_000


class Debugged:
    """The browser of a life, and the folder of its files; who steers it counts the `calls`."""

    def __init__(
        self, book: BrowserBook, life: Life, clock_us: Callable[[], int], who: Caller
    ) -> None:
        assert life.browser is not None
        self.browser = life.browser
        self.folder = life.folder
        self.calls = 0
        self._book = book
        self._life = life
        self._clock_us = clock_us
        self._who = who

    @contextlib.asynccontextmanager
    async def steered(self) -> AsyncIterator[None]:
        """It is steered in the block: that is told, and counts as use for so long."""
        began = self._clock_us()
        await self._book.note(self._life, (BrowserAttached(),), self._who)
        try:
            async with in_use(self._book.sessions, self._life.session, self._who):
                yield
        finally:
            took_ms = max(0, self._clock_us() - began) // MS_US
            left = BrowserDetached(calls=self.calls, duration_ms=took_ms)
            await self._book.note(self._life, (left,), self._who)
