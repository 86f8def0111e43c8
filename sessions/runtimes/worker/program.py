"""The worker itself: as many sessions at a time as it has slots, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

import structlog

from sessions.runtimes.worker.api import Denied, Fenced, Refused, Unreachable, WorkApi
from sessions.runtimes.worker.claim import Claim
from sessions.runtimes.worker.course import Course, back_off_s, clock
from sessions.runtimes.worker.plan import Plan
from sessions.runtimes.worker.strays import adopt_strays

CLAIM_S: Final = 20.0
REST_S: Final = 1.0
"""After a command that could not be started, and an answer that came too soon to be one."""
OK: Final = 0
REFUSED: Final = 1

_log: Final = structlog.get_logger()


class Worker:
    """Claims sessions and runs the command for each of them."""

    def __init__(self, api: WorkApi, plan: Plan) -> None:
        self._api = api
        self._plan = plan
        self._left = plan.count
        self._courses: set[Course] = set()
        self._claiming: set[asyncio.Task[Claim | None]] = set()
        self._stopping = asyncio.Event()
        self._in_a_hurry = asyncio.Event()
        self._refused = ""

    def stop(self) -> None:
        """Claim no more; the second time also run no more."""
        if self._stopping.is_set():
            self._in_a_hurry.set()
        self._stopping.set()
        for claiming in self._claiming:
            claiming.cancel()

    async def run(self) -> int:
        """Work until told to stop, or until the service refuses; the exit code."""
        _log.info("worker.started", worker=self._plan.name, url=self._api.url)
        slots = [asyncio.create_task(self._slot()) for _ in range(self._plan.slots)]
        draining = asyncio.create_task(self._drain())
        try:
            await asyncio.gather(*slots)
        finally:
            for task in (draining, *slots):
                task.cancel()
            await asyncio.gather(draining, *slots, return_exceptions=True)
        _log.info("worker.stopped", worker=self._plan.name)
        return REFUSED if self._refused else OK

    async def _drain(self) -> None:
        await self._stopping.wait()
        hurry = asyncio.create_task(self._in_a_hurry.wait())
        try:
            await asyncio.wait({hurry}, timeout=self._plan.drain_s)
            for course in self._courses:
                course.cut("drained")
            await hurry
            for course in self._courses:
                course.hurry()
        finally:
            hurry.cancel()

    async def _slot(self) -> None:
        failures = 0
        while not self._stopping.is_set() and self._left != 0:
            self._claiming.add(claiming := asyncio.create_task(self._claim()))
            if self._left is not None:
                self._left -= 1
            claim: Claim | None = None
            asked = clock()
            try:
                claim = await claiming
                failures = 0
                if claim is None and clock() - asked < REST_S:
                    # A service that is about to end answers at once.
                    await asyncio.sleep(REST_S)
            except asyncio.CancelledError:
                if not claiming.cancelled() or not self._stopping.is_set():
                    raise
            except Unreachable as error:
                if failures == 0:
                    _log.warning("worker.service_unreachable", why=str(error))
                await asyncio.sleep(back_off_s(failures))
                failures += 1
            except (Denied, Refused, Fenced) as error:
                # Nothing that time would change.
                self._refused = str(error)
                _log.error("worker.refused", why=self._refused)
                self.stop()
            finally:
                self._claiming.discard(claiming)
                if claim is None and self._left is not None:
                    self._left += 1
            if claim is not None:
                await self._work(claim)

    async def _claim(self) -> Claim | None:
        plan = self._plan
        return await self._api.claim(plan.kind, plan.name, plan.labels, CLAIM_S)

    async def _work(self, claim: Claim) -> None:
        course = Course(self._api, claim, self._plan)
        self._courses.add(course)
        if self._stopping.is_set():
            course.cut("drained")
        _log.info("worker.claimed", session=claim.session_id, attempt=claim.attempt)
        try:
            outcome = await course.run()
        finally:
            self._courses.discard(course)
        _log.info("worker.done", session=claim.session_id, outcome=outcome)
        if outcome == "refused":
            await asyncio.sleep(REST_S)


async def work(url: str, key: str, plan: Plan) -> int:
    """Run a worker until a signal; the exit code."""
    adopt_strays()
    api = WorkApi(url, key)
    worker = Worker(api, plan)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    try:
        return await worker.run()
    finally:
        await api.close()
