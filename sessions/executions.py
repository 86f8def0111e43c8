"""Programs in machines: each begins and ends in the log, and an end that it did not reach too."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog
from msgspec.structs import replace

from eventstore.errors import CommitIdReused, EventStoreError, SubjectErased
from eventstore.vault import Vault
from projections.events.status import Reason
from projections.events.vm import ExecutionFinished, ExecutionRequested, ExecutionStarted
from projections.folds.session import PREFIX
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.domain.rejections import AlreadyEnded, LimitReached, NotFound, Rejection
from sessions.execution_history import found_in_log
from sessions.execution_results import (
    OUTPUT_BYTES_MAX,
    Execution,
    Results,
    commit_id,
    logged_text,
)
from sessions.machine_life import Life, Limits, reason_of
from sessions.machine_roster import Roster
from sessions.runtimes.vm.port import MachineError, Outcome, Program

UNFINISHED_MAX: Final = 1000
UNFINISHED_OF_SESSION_MAX: Final = 64

_log = structlog.get_logger()


class Executions:
    """Every program that runs in a machine, from the wish for it to its end."""

    def __init__(self, roster: Roster, vault: Vault, limits: Limits) -> None:
        self.tasks: set[asyncio.Task[Execution]] = set()
        self._roster = roster
        self._book = roster.book
        self._vault = vault
        self._clock_us = roster.now_us
        self._limits = limits
        self._results = Results()
        self._of_session: dict[str, int] = {}

    async def execute(self, session_id: str, program: Program, who: Caller) -> Execution:
        """The execution once it ended; raises what keeps it from beginning."""
        execution = await self._asked(session_id, program, who)
        # Who asked may leave: the program runs to its end all the same.
        return await asyncio.shield(self._begin(execution, program, who, logged=False))

    async def execute_soon(self, session_id: str, program: Program, who: Caller) -> Execution:
        """The execution that will be: it is in the log by now."""
        execution = await self._asked(session_id, program, who)
        await self._roster.check()
        sealed = await self._vault.seal(PREFIX + session_id, program.code)
        requested = ExecutionRequested(
            id=execution.id,
            language=program.language,
            command=sealed,
            timeout_s=program.timeout_s,
        )
        told = commit_id(execution.id, "requested")
        await self._book.tell_session(session_id, requested, who, told)
        _ = self._begin(execution, program, who, logged=True)
        return execution

    async def get(self, execution_id: str, who: Caller) -> Execution:
        """The execution as it is now; raises NotFound."""
        execution = self._results.get(execution_id)
        if execution is None:
            execution = await found_in_log(self._book, self._vault, execution_id)
        if execution is None or not who.sees(execution.tenant):
            raise NotFound("There is no such execution.")
        return execution

    async def _asked(self, session_id: str, program: Program, who: Caller) -> Execution:
        session = await self._roster.session(session_id, who)
        if session.ended:
            raise AlreadyEnded(session.status)
        of_session = self._of_session.get(session_id, 0)
        if of_session >= UNFINISHED_OF_SESSION_MAX or self._results.unfinished >= UNFINISHED_MAX:
            raise LimitReached("Too many programs wait or run already; try again later.")
        return Execution(
            id=ids.uuid7(),
            session=session.id,
            tenant=session.tenant,
            language=program.language,
            status="waiting",
            created_at=self._clock_us(),
            timeout_s=program.timeout_s,
        )

    def _begin(
        self, execution: Execution, program: Program, who: Caller, *, logged: bool
    ) -> asyncio.Task[Execution]:
        self._results.put(execution)
        self._of_session[execution.session] = self._of_session.get(execution.session, 0) + 1
        task = asyncio.create_task(self._run(execution, program, who, logged=logged))
        self.tasks.add(task)

        def over(task: asyncio.Task[Execution]) -> None:
            self.tasks.discard(task)
            left = self._of_session.pop(execution.session) - 1
            if left:
                self._of_session[execution.session] = left
            if task.cancelled() or task.exception() is not None:
                self._results.forget(execution.id)

        task.add_done_callback(over)
        return task

    async def _run(
        self, execution: Execution, program: Program, who: Caller, *, logged: bool
    ) -> Execution:
        try:
            life = await self._roster.life(execution.session, who)
            execution = await self._started(execution, life, program, who)
        except Exception as error:
            if not logged:
                raise
            return await self._never_ran(execution, error)
        async with self._roster.in_use(execution.session, who):
            execution, told = await self._run_in(execution, life, program)
        self._results.put(execution)
        await self._tell_end(execution, told)
        return execution

    async def _started(
        self, execution: Execution, life: Life, program: Program, who: Caller
    ) -> Execution:
        sealed = await self._vault.seal(PREFIX + execution.session, program.code)
        started = ExecutionStarted(
            id=execution.id,
            language=program.language,
            command=sealed,
            timeout_s=program.timeout_s,
        )
        told = commit_id(execution.id, "started")
        await self._book.tell_vm(life.id, lambda _: (started,), who, told)
        now = self._clock_us()
        execution = replace(execution, status="running", vm=life.id, started_at=now)
        self._results.put(execution)
        return execution

    async def _run_in(
        self, execution: Execution, life: Life, program: Program
    ) -> tuple[Execution, ExecutionFinished]:
        """The execution as it ended, and the fact that says so, without its output."""
        machine = life.machine
        assert machine is not None
        try:
            async with asyncio.timeout(program.timeout_s + self._limits.answer_s):
                outcome = await machine.execute(program, OUTPUT_BYTES_MAX)
        except TimeoutError:
            detail = "The machine did not say in time how the program ended."
            life.ask(suspend=False, reason="runtime_failed", detail=detail, who=SERVICE)
            return self._cut_off(execution, "runtime_failed", detail)
        except MachineError as error:
            # It may be that the machine was asked to end, and that says more.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(self._limits.stop_s):
                    await life.left()
            return self._cut_off(execution, life.reason, life.ending or str(error))
        return self._ended(execution, outcome)

    def _ended(self, execution: Execution, outcome: Outcome) -> tuple[Execution, ExecutionFinished]:
        reason: Reason = "max_duration" if outcome.timed_out else "finished"
        finished = ExecutionFinished(
            id=execution.id,
            exit_code=outcome.exit_code,
            duration_ms=outcome.duration_ms,
            reason=reason,
            timed_out=outcome.timed_out,
            cpu_ms=outcome.cpu_ms,
            stdout_bytes=outcome.stdout_bytes,
            stderr_bytes=outcome.stderr_bytes,
        )
        execution = replace(
            execution,
            status="finished",
            finished_at=self._clock_us(),
            exit_code=outcome.exit_code,
            timed_out=outcome.timed_out,
            duration_ms=outcome.duration_ms,
            cpu_ms=outcome.cpu_ms,
            stdout=outcome.stdout,
            stderr=outcome.stderr,
            stdout_bytes=outcome.stdout_bytes,
            stderr_bytes=outcome.stderr_bytes,
            reason=reason,
        )
        return execution, finished

    def _cut_off(
        self, execution: Execution, reason: Reason, detail: str
    ) -> tuple[Execution, ExecutionFinished]:
        now = self._clock_us()
        began = now if execution.started_at is None else execution.started_at
        duration_ms = max(0, now - began) // 1000
        finished = ExecutionFinished(
            id=execution.id,
            exit_code=None,
            duration_ms=duration_ms,
            reason=reason,
            detail=detail,
        )
        execution = replace(
            execution,
            status="cut_off",
            finished_at=now,
            duration_ms=duration_ms,
            reason=reason,
            detail=detail,
        )
        return execution, finished

    async def _never_ran(self, execution: Execution, error: Exception) -> Execution:
        """What was promised and cannot be done is said to be so."""
        reason = reason_of(error)
        if not isinstance(error, Rejection | MachineError | EventStoreError):
            _log.error("execution.crashed", execution=execution.id, exc_info=error)
        detail = error.detail if isinstance(error, Rejection) else str(error)
        execution, told = self._cut_off(execution, reason, detail)
        self._results.put(execution)
        try:
            finished = commit_id(execution.id, "finished")
            await self._book.tell_session(execution.session, told, SERVICE, finished)
        except EventStoreError as failure:
            _log.warning("execution.not_told", execution=execution.id, error=str(failure))
        return execution

    async def _tell_end(self, execution: Execution, told: ExecutionFinished) -> None:
        """Whoever asked has the outcome, also where the disk refuses it."""
        try:
            texts = {
                "stdout": logged_text(execution.stdout),
                "stderr": logged_text(execution.stderr),
            }
            given = {name: text for name, text in texts.items() if text}
            with contextlib.suppress(SubjectErased):
                sealed = await self._vault.seal_many(PREFIX + execution.session, given)
                told = replace(told, **sealed)
            finished = commit_id(execution.id, "finished")
            await self._book.tell_vm(execution.vm, lambda _: (told,), SERVICE, finished)
        except CommitIdReused:
            pass
        except EventStoreError as error:
            _log.warning("execution.not_told", execution=execution.id, error=str(error))
