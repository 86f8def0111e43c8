"""Makes the snapshots: a fold of its own, slowly, beside everything else.

It is never up to date and need not be. Whatever ends it, the next one goes on from the last
snapshot that was finished.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from eventstore.commit import Position, Recorded
from eventstore.ports import EventLog
from projections.cache_file import worthless
from projections.snapshots import Snapshots
from projections.states import States
from projections.subjects import Subject

# A fleet is folded from the snapshot before it: 10,000 sessions take 0.4 s at worst, and the file
# is an eighth of the log. Half as many commits would make that 0.25 s and a fifth.
EVERY: Final = 50_000
# A fleet is folded as far as this from a snapshot, where one is missing yet.
FOLD_MAX: Final = 4 * EVERY
PAGE: Final = 250
ROWS_PER_WRITE: Final = 250
# For each second of work so many of rest.
REST: Final = 9.0
RETRY_S: Final = 60.0

Failed = Callable[[Exception], None]
"""Told why a snapshot could not be made; it is tried again."""


class Snapshotting:
    """The one writer of the snapshots: one after every so many commits."""

    def __init__(
        self,
        log: EventLog,
        snapshots: Snapshots,
        failed: Failed,
        *,
        every: int = EVERY,
        rest: float = REST,
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._failed = failed
        self._every = every
        self._rest = rest
        self._behind = asyncio.Event()
        log.listen(self._look)

    def _look(self, batch: Sequence[Recorded]) -> None:
        if batch[-1].commit.position >= self._snapshots.last + self._every:
            self._behind.set()

    async def open(self) -> None:
        """Open the file, where the disk lets it."""
        try:
            await self._snapshots.open(self._log.size)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    async def run(self) -> None:
        """Make snapshots until cancelled; a cache that fails is told of and tried again."""
        while True:
            try:
                if not self._snapshots.opened:
                    await self._snapshots.open(self._log.size)
                self._behind.clear()
                await self.catch_up()
                await self._behind.wait()
            except Exception as error:  # noqa: BLE001 - whatever it was, it is only a cache
                self._failed(error)
                if worthless(error):
                    await self._snapshots.throw_away()
                await asyncio.sleep(RETRY_S)

    async def catch_up(self) -> None:
        """Make every snapshot that is due; raises sqlite3.Error or StorageError."""
        while self._log.size >= self._snapshots.last + self._every:
            await self._make(Position(self._snapshots.last + self._every))

    async def _make(self, target: Position) -> None:
        last = self._snapshots.last
        states = States(functools.partial(self._states_at, last), last, hot_max=self._every)
        while states.position < target:
            began = time.monotonic()
            limit = min(PAGE, target - states.position)
            states.apply(await self._log.commits(states.position, limit))
            await states.settle()
            await self._pause(began)
        while states.changed:
            began = time.monotonic()
            await self._snapshots.write(states.take(ROWS_PER_WRITE).rows, target)
            states.written()
            await self._pause(began)
        await self._snapshots.finish(target)

    async def _states_at(self, snapshot: Position, subject: Subject, ids: list[str]) -> list[Any]:
        return await self._snapshots.states(subject, ids, snapshot)

    async def _pause(self, began: float) -> None:
        await asyncio.sleep((time.monotonic() - began) * self._rest)
