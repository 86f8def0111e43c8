"""The service's own time-outs of tests: of each test that is out, whoever forgot to report it.

Deadlines come from the log: those of tests that were out when the service stopped are found again
by the sessions that have tests out, and fire late.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from eventstore.errors import EventStoreError
from projections.folds.session import SECOND_US
from projections.views.store import QUERIES, Views
from sessions.caller import SERVICE
from sessions.domain.rejections import Rejection
from sessions.domain.turn import TimeOut
from sessions.runs import Runs

TICK_S: Final = 0.25
RETRY_S: Final = 1.0
PAGE: Final = 500
# One commit gives up on so many tests, and so many runs are asked at once.
PATHS_MAX: Final = 500
RUNS_MAX: Final = 64

_log = structlog.get_logger()


class TestTimers:
    """Gives up on tests whose time is over, at most a tick late."""

    def __init__(self, views: Views, runs: Runs, clock_us: Callable[[], int]) -> None:
        self._views = views
        self._runs = runs
        self._clock_us = clock_us
        self._due: list[tuple[int, str, str]] = []
        self._known: set[tuple[str, str]] = set()
        runs.on_out = self.add

    def add(self, token: str, path: str, deadline: int) -> None:
        """The test is out, until `deadline` at the latest; saying it twice changes nothing."""
        if (token, path) not in self._known:
            self._known.add((token, path))
            heapq.heappush(self._due, (deadline, token, path))

    async def run(self) -> None:
        """Find the tests that were out before, then fire; until cancelled."""
        after: int | None = 0
        while after is not None:
            after = await self._find(after)
        while True:
            await self._fire()
            await asyncio.sleep(TICK_S)

    async def _find(self, after: int) -> int | None:
        """Read the runs of the next sessions that have tests out; None after the last."""
        try:
            page = await self._views.fetch(QUERIES["tests_out"], (after, PAGE))
            for token, created in page:
                await self._look(token.decode())
                after = created
        except (sqlite3.Error, EventStoreError) as error:
            _log.warning("timers.delayed", error=str(error))
            await asyncio.sleep(RETRY_S)
            return after
        await self._fire()  # a long way to the last must not hold up the first
        return after if page else None

    async def _look(self, token: str) -> None:
        try:
            await self._runs.get(token, SERVICE)  # which adds its tests here
        except Rejection:
            pass
        except EventStoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one session must not stop the timers of all
            _log.error("timers.crashed", session=token, exc_info=error)

    async def _fire(self) -> None:
        now = self._clock_us()
        over: dict[str, list[tuple[int, str]]] = {}
        while self._due and self._due[0][0] <= now:
            deadline, token, path = heapq.heappop(self._due)
            self._known.discard((token, path))
            over.setdefault(token, []).append((deadline, path))
        tokens = list(over)
        for begin in range(0, len(tokens), RUNS_MAX):
            some = tokens[begin : begin + RUNS_MAX]
            await asyncio.gather(*[self._give_up(token, over[token]) for token in some])

    async def _give_up(self, token: str, tests: list[tuple[int, str]]) -> None:
        for begin in range(0, len(tests), PATHS_MAX):
            some = tests[begin : begin + PATHS_MAX]
            try:
                given_up = await self._runs.ask(
                    token, TimeOut(tuple(path for _, path in some)), SERVICE
                )
            except Rejection:
                return  # deleted: its tests are nobody's any more
            except Exception as error:  # noqa: BLE001 - the disk refuses, or this run is broken
                _log.warning("timers.delayed", session=token, error=str(error))
                again = self._clock_us() + int(RETRY_S * SECOND_US)
                for _, path in tests[begin:]:
                    self.add(token, path, again)
                return
            if given_up:
                _log.info("test.timed_out", session=token, tests=given_up)
