"""Keeps the views at the head of the log, and rebuilds them beside the traffic.

States are folded the moment a batch is durable, before its appenders are answered; rows follow in
transactions that gather for a moment, or at once when a reader waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from eventstore.commit import START, Position, Recorded
from eventstore.ports import EventLog
from projections.states import States
from projections.views.store import LIVE, NEXT, Views

PAGE: Final = 1000
ROWS_PER_WRITE: Final = 500
GATHER_S: Final = 0.1
RETRY_S: Final = 1.0

Progress = Callable[[Position, Position], None]
"""Called with how far the work is and how far it has to go."""


class Follower:
    """The one writer of the views."""

    def __init__(self, log: EventLog, views: Views) -> None:
        self.states = States(views.states, views.checkpoint)
        self.failure: sqlite3.Error | None = None
        self._log = log
        self._views = views
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._written = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def lag(self) -> int:
        """How many commits the views are behind the log."""
        return self._log.size - self._views.checkpoint

    async def catch_up(self, progress: Progress = lambda _, __: None) -> None:
        """Fold what the log has and the views have not, then listen; nothing may append before."""
        while page := await self._log.read(self.states.position, PAGE):
            self.states.apply(page)
            progress(self.states.position, self._log.size)
            await self._write(self.states, LIVE)
        self._log.listen(self._apply)

    def _apply(self, batch: Sequence[Recorded]) -> None:
        self.states.apply(batch)
        self._changed.set()

    async def run(self) -> None:
        """Write rows until cancelled; a disk that refuses is tried again."""
        while True:
            await self._changed.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._urgent.wait()
            self._changed.clear()
            self._urgent.clear()
            await self._write_or_wait()

    async def _write_or_wait(self) -> None:
        try:
            async with self._writing:
                await self._write(self.states, LIVE)
            self.failure = None
        except sqlite3.Error as error:
            self.failure = error
            self._changed.set()
            self._tell()
            await asyncio.sleep(RETRY_S)
        self._tell()

    def _tell(self) -> None:
        written, self._written = self._written, asyncio.Event()
        written.set()

    async def close(self) -> None:
        """Write what is left; what the disk refuses comes back from the log."""
        with contextlib.suppress(sqlite3.Error):
            async with self._writing:
                await self._write(self.states, LIVE)

    async def reached(self, position: Position) -> Position:
        """Return when lists show all up to `position`, or as far as the disk lets them: how far."""
        while self._views.checkpoint < position and self.failure is None:
            self._urgent.set()
            self._changed.set()
            await self._written.wait()
        return min(position, self._views.checkpoint)

    async def _write(self, states: States, tables: str) -> None:
        while True:
            await states.settle()
            changes = states.take(ROWS_PER_WRITE)
            behind = changes.position is not None and changes.position > self._views.checkpoint
            if not changes.rows and not behind:
                return
            checkpoint = changes.position or self._views.checkpoint
            try:
                await self._views.write(changes.rows, changes.labels, checkpoint, tables)
            except BaseException:
                states.put_back()
                raise
            states.written()
            if tables == NEXT and not states.pending:
                return

    async def rebuild(self, progress: Progress = lambda _, __: None) -> None:
        """Fold the whole log anew into new tables while appends go on, then switch at once."""
        await self._locked(self._views.make_next)
        fetch = functools.partial(self._views.states, tables=NEXT)
        states = States(fetch, START)
        while page := await self._log.read(states.position, PAGE):
            states.apply(page)
            progress(states.position, self._log.size)
            async with self._writing:
                await self._write(states, NEXT)
        async with self._writing:
            await self._finish(states)
        self._tell()

    async def _finish(self, states: States) -> None:
        """With the live tables standing still: the rest of the log, then the switch.

        What is appended from here on is in the live states, still to be written.
        """
        while page := await self._log.read(states.position, PAGE):
            states.apply(page)
        await self._write(states, NEXT)
        await self._views.switch(states.position)

    async def _locked(self, step: Callable[[], Any]) -> None:
        async with self._writing:
            await step()
