"""The course of a machine from the wish for it to its end: one task goes with it all the way.

Every fact of a machine comes after what it says was wished (`vm.requested` before there is any
process) or after it happened. Whatever goes wrong, the task ends in one fact that ends or suspends
the machine, and with a session that stands where it can go on from.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from eventstore.codec import Fact
from eventstore.errors import EventStoreError, LogBusy, LogClosed, StorageError
from projections.events.status import Reason, Status
from projections.events.vm import (
    VmLost,
    VmReady,
    VmResumed,
    VmStarted,
    VmStopped,
    VmSuspended,
)
from projections.folds.session import SECOND_US, Session
from projections.folds.vm import Vm, expiry
from sessions.caller import SERVICE
from sessions.domain.rejections import Rejection
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machine_life import RETRY_S, Ask, End, Life, Limits, Plan, reason_of
from sessions.runtimes.vm.port import (
    Ending,
    KeptLost,
    Machine,
    MachineError,
    MachineFailed,
    Machines,
    RuntimeUnavailable,
)

STARTS_FROM: Final[frozenset[Status]] = frozenset({"pending", "queued"})
RUNS_FROM: Final[frozenset[Status]] = frozenset({"pending", "queued", "starting", "resuming"})
# Where a session stands when its machine ends, and where it goes then.
AT_WORK: Final[frozenset[Status]] = frozenset({"running", "blocked", "pausing", "resuming"})
NOT_YET: Final[frozenset[Status]] = frozenset({"queued", "starting"})

_log = structlog.get_logger()


class Courses:
    """Goes with machines from the wish for them to their end."""

    def __init__(
        self,
        book: MachineBook,
        machines: Machines,
        gate: Gate,
        clock_us: Callable[[], int],
        limits: Limits,
    ) -> None:
        self.closing = False
        self._book = book
        self._machines = machines
        self._gate = gate
        self._clock_us = clock_us
        self._limits = limits

    async def run(
        self, life: Life, session: Session, plan_of: Callable[[], Awaitable[Plan]]
    ) -> None:
        """Make the machine, and go with it to its end."""
        try:
            plan = await plan_of()
            tenant = session.tenant
            vm = await self._book.request_vm(life.id, plan.requested, tenant, life.who)
        except Exception as error:  # noqa: BLE001 - whoever waits for the machine is told
            await self._not_begun(life, session, error)
            return
        life.requested.set_result(vm)
        try:
            end = await self._come_up(life, session, plan) or await self._stay(life)
        except Exception as error:  # noqa: BLE001 - a machine without an end would be one for ever
            _log.error("machine.crashed", vm=life.id, exc_info=error)
            detail = "The service failed; its log says why."
            end = End(VmLost(reason="runtime_failed", detail=detail), "runtime_failed", detail)
        life.leave()
        life.ending, life.reason = end.detail or f"The machine ended: {end.reason}.", end.reason
        await self._take_down(life, end)
        if plan.forget and not life.up.done():
            await self._forget(plan.forget)
        self._gate.left(life.id)
        if not life.up.done():
            life.up.set_exception(_failure(end))
        await self._until_told(life, end)
        _answer(life)

    async def _not_begun(self, life: Life, session: Session, error: Exception) -> None:
        """Nothing was told of the machine: the session must not wait for it."""
        life.leave()
        reason = reason_of(error)
        detail = error.detail if isinstance(error, Rejection) else str(error)
        if not isinstance(error, Rejection | MachineError | EventStoreError):
            _log.error("machine.not_begun", session=session.id, exc_info=error)
        end = End(VmLost(reason=reason), reason, detail)
        if not (self.closing or isinstance(error, StorageError | LogBusy | LogClosed)):
            with contextlib.suppress(EventStoreError):
                await self._tell_session(session.id, end)
        for future in (life.requested, life.up):
            future.set_exception(error)
        _answer(life)

    async def _come_up(self, life: Life, session: Session, plan: Plan) -> End | None:
        """None once the machine answers and the session runs; else how it ended before."""
        up = asyncio.create_task(self._up(life, session, plan), name=f"start {life.id}")
        asked = asyncio.create_task(life.asks.get())
        await asyncio.wait({up, asked}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            ask = asked.result()
            life.asks.put_nowait(ask)  # it is answered with the end
            up.cancel()
            await asyncio.wait({up}, timeout=self._limits.stop_s)
            if up.done() and not up.cancelled():
                up.exception()  # it was faster; what it says does not matter any more
            return _end_of(ask)
        asked.cancel()
        error = up.exception()
        return None if error is None else _end_of_start(life, error)

    async def _up(self, life: Life, session: Session, plan: Plan) -> None:
        book, limits = self._book, self._limits
        await book.move(
            session.id, "resuming", "requested", only_from=frozenset({"paused"}), who=life.who
        )
        if not self._gate.enter(life.id, plan.wanted.memory_mb):
            waits = frozenset[Status]({"pending"})
            await book.move(session.id, "queued", "capacity", only_from=waits)
            await self._gate.turn(life.id)
        await book.move(session.id, "starting", "requested", only_from=STARTS_FROM, who=life.who)
        started: list[asyncio.Task[Vm]] = []

        def spawned(acceleration: str) -> None:
            told = book.tell_vm(life.id, _fact(VmStarted(acceleration=acceleration)))
            started.append(asyncio.create_task(told))

        try:
            async with asyncio.timeout(limits.start_s):
                life.machine = machine = await self._machines.start(plan.wanted, spawned)
            if not started:
                spawned(machine.acceleration)
        except KeptLost as error:
            if plan.goes_on:
                await book.tell_vm(plan.goes_on, _lost_on_the_disk(error))
                await self._forget(plan.goes_on)
            raise
        finally:
            if started:
                await asyncio.gather(*started)
        self._gate.started(life.id)
        await book.tell_vm(life.id, _fact(VmReady(boot_ms=machine.boot_ms)))
        if plan.goes_on:
            await book.tell_vm(plan.goes_on, _resumed_by(life.id))
            await self._forget(plan.goes_on)
        if plan.forget:
            await self._forget(plan.forget)
        await book.move(session.id, "running", "requested", only_from=RUNS_FROM, who=life.who)
        life.up.set_result(machine)

    async def _stay(self, life: Life) -> End:
        """How the life of a machine that is up ended: by itself, by its clock, or by a wish."""
        machine = life.machine
        assert machine is not None
        ended = asyncio.create_task(machine.ended())
        try:
            while True:
                vm = await self._book.vm(life.id, SERVICE)
                asked = asyncio.create_task(life.asks.get())
                done, _ = await asyncio.wait(
                    {ended, asked}, timeout=self._left_s(vm), return_when=asyncio.FIRST_COMPLETED
                )
                if asked in done:
                    end = await self._asked(life, machine, asked.result())
                    if end is not None:
                        return end
                    continue
                asked.cancel()
                return _end_by_itself(ended) if ended in done else _lifetime_over(vm)
        finally:
            ended.cancel()

    def _left_s(self, vm: Vm) -> float:
        return max(0.0, ((expiry(vm) or 0) - self._clock_us()) / SECOND_US)

    async def _asked(self, life: Life, machine: Machine, ask: Ask) -> End | None:
        """How the machine ended as it was asked to; None if it could not and lives on."""
        if not ask.suspend:
            life.asks.put_nowait(ask)
            return _end_of(ask)
        life.leave()
        at_work = frozenset[Status]({"running", "blocked"})
        moved = False
        try:
            moved = await self._book.move(
                life.session, "pausing", ask.reason, only_from=at_work, who=ask.who
            )
            async with asyncio.timeout(self._limits.keep_s):
                size = await machine.suspend(life.id)
        except (MachineError, TimeoutError, EventStoreError) as error:
            detail = _words(error)
            ask.done.set_exception(MachineFailed(f"The machine could not be suspended: {detail}"))
            if isinstance(error, TimeoutError):
                # Whether it stands or runs nobody knows.
                detail = f"It did not stand still in time: {detail}"
                return End(VmLost(reason="runtime_failed", detail=detail), "runtime_failed", detail)
            if isinstance(error, MachineError) and moved:
                await self._back_to_work(life)
            life.stay()
            return None
        life.asks.put_nowait(ask)
        return End(VmSuspended(reason=ask.reason, size=size), ask.reason, ask.detail, ask.who)

    async def _back_to_work(self, life: Life) -> None:
        pausing = frozenset[Status]({"pausing"})
        with contextlib.suppress(EventStoreError):
            await self._book.move(life.session, "running", "runtime_failed", only_from=pausing)

    async def _take_down(self, life: Life, end: End) -> None:
        """Nothing runs when this returns, or the runtime does not say so in time."""
        machine = life.machine
        if machine is None or isinstance(end.fact, VmSuspended):
            return
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await machine.stop()
        except (MachineError, TimeoutError) as error:
            _log.error("machine.not_stopped", vm=life.id, error=str(error))

    async def _forget(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await self._machines.forget(name)
        except (MachineError, TimeoutError, OSError) as error:
            # The sweep at the next start finds it again.
            _log.warning("machine.not_forgotten", name=name, error=str(error))

    async def _until_told(self, life: Life, end: End) -> None:
        """The end stands in the log when this returns, however long the disk refuses it."""
        while True:
            try:
                await self._book.tell_vm(life.id, _ending(end.fact), end.who)
                if not self.closing or life.up.exception() is None:
                    await self._tell_session(life.session, end)
                return
            except LogClosed:
                return  # the next start finds it as it is
            except (StorageError, LogBusy) as error:
                if self.closing:
                    return
                life.owes = error
                await asyncio.sleep(RETRY_S)

    async def _tell_session(self, session_id: str, end: End) -> None:
        book = self._book
        if await book.move(
            session_id, "paused", end.reason, end.detail, only_from=AT_WORK, who=end.who
        ):
            return
        to: Status = "stopped" if end.reason == "requested" else "failed"
        await book.move(session_id, to, end.reason, end.detail, only_from=NOT_YET, who=end.who)


def _fact(fact: Fact) -> Callable[[Vm], tuple[Fact, ...]]:
    return lambda vm: () if vm.ended else (fact,)


def _ending(fact: Fact) -> Callable[[Vm], tuple[Fact, ...]]:
    return lambda vm: () if vm.ended or vm.status == "suspended" else (fact,)


def _resumed_by(vm_id: str) -> Callable[[Vm], tuple[Fact, ...]]:
    return lambda vm: () if vm.ended else (VmResumed(by=vm_id),)


def _lost_on_the_disk(error: KeptLost) -> Callable[[Vm], tuple[Fact, ...]]:
    lost = VmLost(reason="runtime_lost", detail=str(error))
    return lambda vm: () if vm.ended else (lost,)


def _end_of(ask: Ask) -> End:
    return End(VmStopped(reason=ask.reason), ask.reason, ask.detail, ask.who)


def _end_of_start(life: Life, error: BaseException) -> End:
    reason: Reason = "runtime_failed"
    if isinstance(error, RuntimeUnavailable):
        reason = "runtime_unavailable"
    elif isinstance(error, Rejection):
        reason = "capacity"
    elif not isinstance(error, MachineError | TimeoutError | EventStoreError):
        _log.error("machine.start_failed", vm=life.id, exc_info=error)
    detail = _words(error)
    told = error if isinstance(error, Rejection | EventStoreError) else None
    return End(VmLost(reason=reason, detail=detail), reason, detail, error=told)


def _end_by_itself(ended: asyncio.Task[Ending]) -> End:
    error = ended.exception()
    if error is not None:
        detail = _words(error)
        return End(VmLost(reason="runtime_lost", detail=detail), "runtime_lost", detail)
    ending = ended.result()
    if ending.reason in ("finished", "requested"):  # it was switched off from within
        fact = VmStopped(reason=ending.reason, exit_code=ending.exit_code)
        return End(fact, ending.reason, ending.detail)
    return End(VmLost(reason=ending.reason, detail=ending.detail), ending.reason, ending.detail)


def _lifetime_over(vm: Vm) -> End:
    detail = f"The lifetime of {vm.lifetime_s} seconds is over."
    return End(VmStopped(reason="max_duration"), "max_duration", detail)


def _failure(end: End) -> Exception:
    if end.error is not None:
        return end.error
    if end.reason == "runtime_unavailable":
        return RuntimeUnavailable(end.detail)
    return MachineFailed(end.detail or f"The machine ended before it answered: {end.reason}.")


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "It took too long."
    return str(error) or type(error).__name__


def _answer(life: Life) -> None:
    """Whoever asked for the end has it."""
    while not life.asks.empty():
        ask = life.asks.get_nowait()
        if not ask.done.done():
            ask.done.set_result(None)
