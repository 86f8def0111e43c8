"""One session from its claim to its end: the command runs, and the service hears of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Literal, TypeVar

import msgspec
import structlog

from sessions.runtimes.undoing import undone
from sessions.runtimes.worker.api import (
    SPARE_S,
    Denied,
    Ended,
    Fenced,
    Refused,
    Unreachable,
    WorkApi,
    WorkError,
)
from sessions.runtimes.worker.claim import Claim
from sessions.runtimes.worker.command import Command, CommandError
from sessions.runtimes.worker.environment import environment
from sessions.runtimes.worker.inbox import Inbox
from sessions.runtimes.worker.lease import Lease
from sessions.runtimes.worker.lines import Line, Lines, Report, finished, message, reports_of
from sessions.runtimes.worker.mask import Mask
from sessions.runtimes.worker.outbox import Outbox
from sessions.runtimes.worker.plan import Plan

Cut = Literal["ended", "fenced", "lapsed", "denied", "drained"]
"""Why a command is not left to run to its own end."""
Outcome = Literal["finished", "refused", "ended", "fenced", "lapsed", "denied", "drained"]

LAST_WORDS_MAX: Final = 4_096
ERROR_LINE_MAX: Final = 2_000
QUIET_S: Final = 0.001
SHOUTING_S: Final = 0.01
"""The pause after each piece of output that says nothing, and of errors beyond all bounds."""
LINE_BYTES: Final = 250  # what a line of the log is long without what it tells
ERRORS_LOGGED_MAX: Final = 1 << 20
"""What a command says beyond that to its standard error is not logged."""
POLL_S_MAX: Final = 20.0
POLL_SHARE: Final = 0.3
"""How much of its lease a poll waits: three of them may fail."""
CHECK_S: Final = 0.5
REST_S: Final = 1.0
BACK_OFF_S: Final = 0.05
BACK_OFF_S_MAX: Final = 2.0
RELEASE_S_MAX: Final = 2.0
"""How long each last word of a session that is given back may take."""
SIGNALLED: Final = 128
"""A shell's exit code of a command that a signal ended is this and the signal's number."""
ENDED: Final = frozenset({"completed", "failed", "timed_out", "stopped", "lost"})

_CUTS: Final[dict[type[WorkError], Cut]] = {Fenced: "fenced", Ended: "ended", Denied: "denied"}

T = TypeVar("T")
_log: Final = structlog.get_logger()


class _Typed(msgspec.Struct):
    type: str


def clock() -> float:
    """Seconds that go on while the host sleeps, as the service's do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Course:
    """Runs the command once; `cut` ends it early, from outside or by what the service answers."""

    def __init__(self, api: WorkApi, claim: Claim, plan: Plan) -> None:
        self._api = api
        self._claim = claim
        self._plan = plan
        # The answer came when the lease began, give or take its way: the first poll makes it exact.
        self._lease = Lease(clock(), claim.lease_s)
        self._mask = Mask(claim.secrets.values())
        self._outbox = Outbox()
        self._inbox = Inbox(plan.stdin, claim)
        self._sequence = 0
        self._cut: asyncio.Future[Cut] = asyncio.get_running_loop().create_future()
        self._last_words = ""
        self._command: Command | None = None
        self._who = {"session": claim.session_id, "generation": claim.generation}

    def cut(self, why: Cut) -> None:
        """End the command; the first reason counts."""
        if not self._cut.done():
            self._cut.set_result(why)

    def hurry(self) -> None:
        """Give the command no more time."""
        if self._command is not None:
            self._command.kill()

    async def run(self) -> Outcome:
        """How it went; nothing of the command is left when this returns."""
        if self._cut.done():
            await self._release("drained", "")
            return self._cut.result()
        variables, left_out = environment(os.environ, self._claim, self._api.url)
        if left_out:
            _log.warning("worker.secrets_left_out", **self._who, names=left_out)
        guard_s = max(self._lease.remaining(clock()), CHECK_S)
        try:
            self._command = command = Command(self._plan.command, variables, guard_s)
        except CommandError as error:
            _log.error("worker.not_started", **self._who, why=str(error))
            await self._release("refused", str(error))
            return "refused"
        await self._outbox.put({"type": "started"})
        self._posting = self._task(self._post(command), "post")
        self._reading = self._task(self._read(command), "read")
        tasks = [
            self._posting,
            self._reading,
            self._task(self._hear(command), "hear"),
            self._task(self._watch(), "watch"),
            self._task(self._inbox.feed(command), "input"),
        ]
        try:
            return await self._until_the_end(command)
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                await undone(command.close())

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._check)
        return task

    def _check(self, task: asyncio.Task[None]) -> None:
        """Without one of its tasks a session would hang until its lease is over."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("worker.broken", **self._who, task=task.get_name(), exc_info=error)
            self.cut("lapsed")

    async def _until_the_end(self, command: Command) -> Outcome:
        await _any_of(command.ended, self._cut)
        await _any_of(self._reading, self._cut)
        if not self._cut.done():
            code = command.ended.result()
            # Its guard kills it where this process was stopped: another may have it by now.
            if code != -signal.SIGKILL or self._lease.remaining(clock()) > 0:
                return await self._tell_end(code)
            self.cut("lapsed")
        return await self._end_early(command, self._cut.result())

    async def _end_early(self, command: Command, why: Cut) -> Outcome:
        if why in ("ended", "drained"):
            command.terminate()
            await asyncio.wait({command.ended}, timeout=self._plan.grace_s)
        command.kill()
        await asyncio.wait({command.ended})
        if why == "drained":
            await asyncio.wait({self._reading}, timeout=RELEASE_S_MAX)
            await self._outbox.close()
            await asyncio.wait({self._posting}, timeout=RELEASE_S_MAX)
            await self._release("drained", "")
        return why

    async def _tell_end(self, code: int) -> Outcome:
        killed_by = -code if code < 0 else None
        exit_code = code if killed_by is None else SIGNALLED + killed_by
        last = finished(exit_code, killed_by, self._last_words.strip())
        told = asyncio.create_task(self._close(last))
        await _any_of(told, self._cut)
        await _any_of(self._posting, self._cut)
        told.cancel()
        if self._posting.done() and self._posting.exception() is None:
            return "finished"
        return self._cut.result()

    async def _close(self, last: Report) -> None:
        await self._outbox.put(last)
        await self._outbox.close()

    async def _read(self, command: Command) -> None:
        """All that the command says, on both of its outputs."""
        await asyncio.gather(self._read_output(command), self._read_errors(command))

    async def _read_output(self, command: Command) -> None:
        lines = Lines()
        while chunk := await command.output():
            said = await self._report(lines.feed(chunk))
            # Output that never pauses must not keep everything else from its turn.
            await asyncio.sleep(0 if said else QUIET_S)
        await self._report(lines.end())

    async def _report(self, lines: list[Line]) -> bool:
        said = False
        for line in lines:
            for report in reports_of(line._replace(text=self._mask(line.text))):
                await self._outbox.put(report)
                said = True
        return said

    async def _read_errors(self, command: Command) -> None:
        lines = Lines()
        logged = 0
        while chunk := await command.errors():
            for line in lines.feed(chunk):
                logged = self._hear_error(line, logged)
            await asyncio.sleep(0 if logged < ERRORS_LOGGED_MAX else SHOUTING_S)
        for line in lines.end():
            logged = self._hear_error(line, logged)

    def _hear_error(self, line: Line, logged: int) -> int:
        words = self._mask(line.text)
        self._last_words = f"{self._last_words}{words}\n"[-LAST_WORDS_MAX:]
        if logged < ERRORS_LOGGED_MAX:
            _log.info("worker.command_said", **self._who, text=words[:ERROR_LINE_MAX])
        return logged + len(words) + LINE_BYTES

    async def _watch(self) -> None:
        """Cut the command while the session is surely still this worker's."""
        # Not one long sleep: timers stand still while the host sleeps.
        while (remaining := self._lease.remaining(clock())) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(remaining, CHECK_S))
        self.cut("lapsed")

    async def _hear(self, command: Command) -> None:
        """Renew the lease, and hear what users say and that the session ends."""
        after = self._claim.after
        while True:
            roomy = self._inbox.roomy
            part_s = self._lease.seconds * POLL_SHARE
            wait_s = min(part_s, POLL_S_MAX) if roomy else 0.0
            within_s = wait_s + min(part_s, SPARE_S)
            sent = clock()
            heard = await self._asked(
                lambda: self._api.poll(self._claim, after, wait_s, within_s)  # noqa: B023
            )
            self._renewed(sent, heard.lease_s, command)
            if heard.ended is not None:
                if not self._outbox.done:
                    self.cut("ended")
                return
            if not roomy:
                # What a command does not read waits in the log.
                await asyncio.sleep(REST_S)
                continue
            self._inbox.add([one.content for one in heard.messages])
            after = heard.after
            if not heard.messages:
                # A service that is about to end answers at once.
                await asyncio.sleep(BACK_OFF_S)

    async def _post(self, command: Command) -> None:
        """Tell the service what happens, in order, until the outbox is closed."""
        while batch := await self._outbox.take():
            await self._deliver(batch, command)

    async def _deliver(self, batch: list[msgspec.Raw], command: Command) -> None:
        self._sequence += 1
        sequence = self._sequence
        within_s = max(self._lease.seconds * POLL_SHARE, REST_S)
        sent = clock()
        try:
            answer = await self._asked(
                lambda: self._api.report(self._claim, sequence, batch, within_s)
            )
        except Refused as refusal:
            await self._refused(batch, refusal, command)
            return
        self._renewed(sent, answer.lease_s, command)
        if answer.status in ENDED and not self._outbox.done:
            self.cut("ended")

    async def _refused(self, batch: list[msgspec.Raw], why: Refused, command: Command) -> None:
        """One report keeps no other from being taken, and that it was refused is told."""
        if len(batch) > 1:
            for report in batch:
                await self._deliver([report], command)
            return
        kind = msgspec.json.decode(batch[0], type=_Typed).type
        _log.warning("worker.report_refused", **self._who, type=kind, why=str(why))
        if kind not in ("message", "finished"):
            told = message(f"The {kind} was refused: {why}")
            await self._deliver([msgspec.Raw(msgspec.json.encode(told))], command)

    def _renewed(self, sent: float, lease_s: float, command: Command) -> None:
        self._lease.renewed(sent, lease_s)
        command.beat()

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, however long it takes; what ends the session cuts the command.

        Raises Refused, and nothing else: a task that has cut the command just waits for its end.
        """
        for attempt in itertools.count():
            try:
                return await ask()
            except Unreachable as error:
                if attempt == 0:
                    _log.warning("worker.service_unreachable", **self._who, why=str(error))
                await asyncio.sleep(back_off_s(attempt))
            except (Fenced, Ended, Denied) as error:
                _log.warning("worker.session_lost", **self._who, why=str(error))
                self.cut(_CUTS[type(error)])
                await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def _release(self, why: str, detail: str) -> None:
        """Give the session back; where that fails it is given to another when the lease is over."""
        with contextlib.suppress(WorkError):
            await self._api.release(self._claim, why, detail, RELEASE_S_MAX)


async def _any_of(*awaited: asyncio.Future[Any]) -> None:
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)


def back_off_s(attempt: int) -> float:
    """How long to wait after so many failures: longer each time, and never all at once."""
    longest = min(BACK_OFF_S * 2 ** min(attempt, 10), BACK_OFF_S_MAX)
    return float(longest * random.uniform(0.5, 1.0))
