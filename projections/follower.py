"""Keeps the views at the head of the log, and rebuilds them beside the traffic.

States are folded the moment a batch is durable, before its appenders are answered; rows follow in
transactions that gather for a moment, or at once when a reader waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Final

from eventstore.commit import START, Position, Recorded
from eventstore.ports import EventLog
from projections.cache_file import CacheDamaged
from projections.shadow import Progress, Shadow
from projections.states import States
from projections.views.store import Views

PAGE: Final = 1000
ROWS_PER_WRITE: Final = 500
"""As many as may hold up the loop at once: 4 ms."""
ROWS_AT_LEISURE: Final = 128
"""As many as go in one write while nobody waits for them."""
REST_S_MAX: Final = 0.02
GATHER_S: Final = 0.05
RETRY_S: Final = 1.0
CHANGED_MAX: Final = 10_000
BEHIND_MAX: Final = 2_000
"""Above so many changed states there is no rest: those in memory must stay bounded."""
# A longer log is folded into shadow tables at a first start: without the indexes it is faster.
ANEW_FROM: Final = 20_000


class Follower:
    """The one writer of the views."""

    def __init__(self, log: EventLog, views: Views) -> None:
        self.states = States(views.states, views.checkpoint)
        self.failure: sqlite3.Error | CacheDamaged | None = None
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
        if self._views.checkpoint == START and self._log.size > ANEW_FROM:
            await self.rebuild(progress)
            self.states = States(self._views.states, self._views.checkpoint)
        while page := await self._log.commits(self.states.position, PAGE):
            self.states.apply(page)
            progress(self.states.position, self._log.size)
            if self.states.changed > CHANGED_MAX:
                await self._write()
        await self._write()
        self._log.listen(self._apply)

    def _apply(self, batch: Sequence[Recorded]) -> None:
        self.states.apply(recorded.commit for recorded in batch)
        self._changed.set()

    async def run(self) -> None:
        """Write rows until cancelled; a disk that refuses is tried again."""
        while True:
            await self._changed.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._urgent.wait()
            self._changed.clear()
            await self._write_or_wait()

    async def _write_or_wait(self) -> None:
        try:
            async with self._writing:
                await self._write(at_leisure=True)
            self.failure = None
        except (sqlite3.Error, CacheDamaged) as error:
            self.failure = error
            self._changed.set()
            self._tell()
            await self._views.reclaim()
            await asyncio.sleep(RETRY_S)
        self._tell()

    def _tell(self) -> None:
        # Who waits for more than there is now says again that it is urgent.
        self._urgent.clear()
        written, self._written = self._written, asyncio.Event()
        written.set()

    async def close(self) -> None:
        """Write what is left; what the disk refuses comes back from the log."""
        with contextlib.suppress(sqlite3.Error, CacheDamaged):
            async with self._writing:
                await self._write()

    async def reached(self, position: Position) -> Position:
        """Return when lists show all up to `position`, or as far as the disk lets them: how far."""
        while self._views.checkpoint < position and self.failure is None:
            self._urgent.set()
            self._changed.set()
            await self._written.wait()
        return min(position, self._views.checkpoint)

    async def _write(self, *, at_leisure: bool = False) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await self.states.settle()
            began = clock()
            hurry = not at_leisure or self._urgent.is_set() or self.states.changed > BEHIND_MAX
            changes = self.states.take(ROWS_PER_WRITE if hurry else ROWS_AT_LEISURE)
            checkpoint = changes.position or self._views.checkpoint
            if not changes.rows and checkpoint <= self._views.checkpoint:
                return
            try:
                await self._views.write(changes.rows, changes.marks, checkpoint)
            except BaseException:
                self.states.put_back()
                raise
            self.states.written()
            if at_leisure and changes.position is not None:
                return  # what came meanwhile gathers again
            if not hurry:
                await self._rest(clock() - began)

    async def _rest(self, seconds: float) -> None:
        """Leave the core to who appends for as long as the write had it, unless a reader waits.

        At 64 connections that create on one core, p99 is 22 ms so, and 28 ms without.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, REST_S_MAX)):
                await self._urgent.wait()

    async def rebuild(self, progress: Progress = lambda _, __: None) -> None:
        """Fold the whole log anew into new tables while appends go on, then switch at once."""
        await Shadow(self._log, self._views, self._writing).build(progress)
        self._tell()
