"""Folding the whole log anew into shadow tables, beside traffic, and switching at once.

A row is written once at best: states gather in memory and their rows go in when there are too many
or at the end; the indexes that only lists need are made when all rows stand.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from eventstore.commit import START, Commit, Position
from eventstore.ports import EventLog
from projections.states import States
from projections.views.store import NEXT, Views

# Short enough that appends hardly notice the fold of a page between them.
PAGE: Final = 250
ROWS_PER_WRITE: Final = 500
# About 2 KB each.
CHANGED_MAX: Final = 150_000
HOT_MAX: Final = 2 * CHANGED_MAX
WAITING_MAX: Final = 2_000

Progress = Callable[[Position, Position], None]
"""Called with how far the work is and how far it has to go."""


class Shadow:
    """One rebuild; `writing` is held whenever the file of the views is written."""

    def __init__(self, log: EventLog, views: Views, writing: asyncio.Lock) -> None:
        self._log = log
        self._views = views
        self._writing = writing
        fetch = functools.partial(views.states, tables=NEXT)
        self._states = States(fetch, START, HOT_MAX)

    async def build(self, progress: Progress) -> None:
        """Fold, write, index, switch; the live tables answer until the switch."""
        states = self._states
        async with self._writing:
            await self._views.make_next()
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                states.apply(page)
                progress(states.position, self._log.size)
                if states.changed > CHANGED_MAX:
                    await self._write(CHANGED_MAX // 2)
                if states.waiting > WAITING_MAX:
                    await states.settle()
        await self._write(0)
        async with self._writing:
            await self._views.index_next()
        await self._write_rest()
        async with self._writing:
            await self._finish()

    async def _pages(self) -> AsyncGenerator[list[Commit], None]:
        """The log to its end, each page read while the one before it is folded."""
        ahead = asyncio.create_task(self._log.commits(START, PAGE))
        try:
            while page := await ahead:
                ahead = asyncio.create_task(self._log.commits(page[-1].position, PAGE))
                yield page
        finally:
            ahead.cancel()

    async def _write(self, keep: int) -> None:
        await self._states.settle()
        while self._states.changed > keep:
            async with self._writing:
                await self._write_some()

    async def _write_some(self) -> None:
        changes = self._states.take(ROWS_PER_WRITE)
        await self._views.write(changes.rows, changes.marks, START, NEXT)
        self._states.written()

    async def _write_rest(self) -> None:
        """What was appended meanwhile, so that little is left to do while the live tables wait."""
        while page := await self._log.commits(self._states.position, PAGE):
            self._states.apply(page)
        await self._write(0)

    async def _finish(self) -> None:
        """With the live tables standing still: the rest of the log, then the switch.

        What is appended from here on is in the live states, still to be written.
        """
        while page := await self._log.commits(self._states.position, PAGE):
            self._states.apply(page)
        await self._states.settle()
        while self._states.changed:
            await self._write_some()
        await self._views.switch(self._states.position)
