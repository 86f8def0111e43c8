"""Which machines there are, one for a session, and what they are used for.

A session has at most one machine that lives; a wish for it that comes while it starts waits for
that one. Sessions that end, or that somebody pauses, take their machines with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import structlog

from eventstore.errors import EventStoreError
from eventstore.vault import Vault
from projections.events.status import Reason
from projections.events.vm import VmStopped
from projections.folds.session import Session
from projections.folds.vm import Vm
from sessions.caller import SERVICE, Caller
from sessions.domain.rejections import AlreadyEnded, NoMachine
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machine_course import Courses
from sessions.machine_life import Life, Limits
from sessions.machine_plan import Planner, Source, new_vm_id
from sessions.machine_recovery import Recovery
from sessions.runtimes.vm.port import Machine, MachineError, Machines, RuntimeUnavailable
from sessions.usage import in_use

CLOSE_S: Final = 1.2
FORGET_S: Final = 10.0

_log = structlog.get_logger()


class Roster:
    """The machines that live, by session, and those that stand still."""

    def __init__(
        self,
        book: MachineBook,
        vault: Vault,
        machines: Machines,
        gate: Gate,
        clock_us: Callable[[], int],
        limits: Limits,
    ) -> None:
        self.book = book
        self.now_us = clock_us
        self.lives: dict[str, Life] = {}
        """By session."""
        self.suspended: dict[str, str] = {}
        """By session, the id of the machine."""
        self.on_end: list[Callable[[str], None]] = []
        """Told of each machine whose life is over."""
        self.on_erasure: list[Callable[[Session], Coroutine[Any, Any, None]]] = []
        """Told of each session that was erased."""
        self._machines = machines
        self._planner = Planner(book, vault, machines, gate, limits)
        self._courses = Courses(book, machines, gate, clock_us, limits)
        self._recovery = Recovery(book, machines, self.notice_vm)
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Return where machines can be made; raises RuntimeUnavailable."""
        self._check_open()
        await self._planner.check()

    async def machine(self, session_id: str, who: Caller) -> Machine:
        """The machine of the session, which answers; raises as `ensure`."""
        life = await self.life(session_id, who)
        assert life.machine is not None
        return life.machine

    async def life(self, session_id: str, who: Caller) -> Life:
        """The life whose machine answers; raises as `ensure`."""
        life = await self._wished(session_id, who)
        await asyncio.shield(life.up)
        return life

    async def begun(self, session_id: str, who: Caller, source: Source | None = None) -> Life:
        """The life whose machine is requested; raises as `ensure`."""
        life = await self._wished(session_id, who, source)
        await asyncio.shield(life.requested)
        return life

    async def session(self, session_id: str, who: Caller) -> Session:
        """The session, which is one of machines; raises NoMachine."""
        session = await self.book.sessions.get(session_id, who)
        if session.kind != "vm":
            raise NoMachine("This is not a session of machines.")
        return session

    def life_of(self, vm: Vm) -> Life | None:
        """The life of the machine, if it has one."""
        life = self.lives.get(vm.session)
        return life if life is not None and life.id == vm.id else None

    def running(self, vm: Vm) -> Life:
        """The life of a machine that answers; raises NoMachine."""
        life = self.life_of(vm)
        if life is None or not life.usable:
            raise NoMachine(f"The machine does not run: it is {vm.status}.")
        return life

    def living(self, vm: Vm) -> Machine:
        """The machine that answers; raises NoMachine."""
        machine = self.running(vm).machine
        if machine is None:
            raise NoMachine(f"The machine does not run: it is {vm.status}.")
        return machine

    async def asked(self, life: Life, done: asyncio.Future[None]) -> None:
        """Return when it was done; raises what went wrong, also where the log does not take it."""
        while not done.done():
            if life.owes is not None:
                raise life.owes
            await asyncio.wait({done}, timeout=1.0)
        done.result()

    def begin_soon(self, session_id: str, who: Caller = SERVICE) -> None:
        """Make the machine of the session, and let the session say what comes of it."""

        async def begun() -> None:
            try:
                await self.begun(session_id, who)
            except Exception as error:  # noqa: BLE001 - the session says it
                _log.info("machine.not_begun", session=session_id, error=str(error))

        self.soon(begun())

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this in the background, as long as the service runs."""
        _ = self.working(work)

    def working(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """The task that does this in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def in_use(self, session_id: str, who: Caller) -> AbstractAsyncContextManager[None]:
        """The session counts as used for so long; entering raises NotFound or Deleted."""
        return in_use(self.book.sessions, session_id, who)

    async def discard(self, vm: Vm, reason: Reason, who: Caller = SERVICE) -> None:
        """End a suspended machine for good."""

        def stopped(state: Vm) -> tuple[VmStopped, ...]:
            return (VmStopped(reason=reason),) if state.status == "suspended" else ()

        await self.book.tell_vm(vm.id, stopped, who)
        try:
            async with asyncio.timeout(FORGET_S):
                await self._machines.forget(vm.id)
        except (MachineError, TimeoutError, OSError) as error:
            # The sweep at the next start finds it again.
            _log.warning("machine.not_forgotten", name=vm.id, error=str(error))

    async def open(self) -> None:
        """Tell what became of the machines of the service that ran before, and go on from there."""
        await self._recovery.begin(self.soon, self.begin_soon)

    async def close(self, others: Iterable[asyncio.Task[Any]]) -> None:
        """End every machine, and `others`, within CLOSE_S.

        What was not told by then the next start tells.
        """
        self._courses.closing = True
        lives = list(self.lives.values())
        for life in lives:
            detail = "The service was stopped."
            life.ask(suspend=False, reason="service_restart", detail=detail, who=SERVICE)
        waits = [life.task for life in lives if life.task is not None]
        work = [*waits, asyncio.create_task(self._machines.close()), *others]
        await asyncio.wait(work, timeout=CLOSE_S)
        for task in (*self._tasks, *work):
            task.cancel()
        await asyncio.gather(*self._tasks, *work, return_exceptions=True)

    def notice(self, session: Session) -> None:
        """A session is as it is now: its machine follows. Told at the moment of each commit."""
        if session.kind != "vm" or self._courses.closing:
            return
        life = self.lives.get(session.id)
        over = session.ended or session.deleted
        if over and life is not None:
            life.ask(suspend=False, reason=session.reason, detail="", who=SERVICE)
        elif session.status in ("pausing", "paused") and life is not None and life.usable:
            life.ask(suspend=True, reason=session.reason, detail="", who=SERVICE)
        if over and session.id in self.suspended:
            self.soon(self._discard_of(session))
        if session.erased:
            for told in self.on_erasure:
                self.soon(told(session))

    def notice_vm(self, vm: Vm) -> None:
        """A machine is as it is now. Told at the moment of each commit."""
        if vm.status == "suspended":
            if self.suspended.get(vm.session) != vm.id:
                self.suspended[vm.session] = vm.id
                self.soon(self._discard_if_over(vm))
        elif self.suspended.get(vm.session) == vm.id:
            del self.suspended[vm.session]

    async def _discard_of(self, session: Session) -> None:
        vm_id = self.suspended.get(session.id)
        if vm_id is None:
            return
        try:
            await self.discard(await self.book.vm(vm_id, SERVICE), session.reason)
        except (EventStoreError, MachineError) as error:
            # The next start does it: the session has ended, and the machine has not.
            _log.warning("machine.not_discarded", vm=vm_id, error=str(error))

    async def _discard_if_over(self, vm: Vm) -> None:
        """A session may end while its machine is being suspended."""
        session = await self.book.sessions.find(vm.session, SERVICE)
        if session.ended or session.deleted:
            await self._discard_of(session)

    async def _wished(self, session_id: str, who: Caller, source: Source | None = None) -> Life:
        """The life that is to answer, whether it does already or is begun by this."""
        while True:
            session = await self.session(session_id, who)
            self._check_open()
            if session.ended:
                raise AlreadyEnded(session.status)
            life = self.lives.get(session.id)
            if life is None:
                return self._begin(session, who, source)
            if life.leaving is None:
                return life
            await life.left()

    def _begin(self, session: Session, who: Caller, source: Source | None) -> Life:
        life = self.lives[session.id] = Life(new_vm_id(), session, who)

        async def live() -> None:
            try:
                await self._courses.run(
                    life, session, lambda: self._planner.plan(life.id, session, source)
                )
            finally:
                del self.lives[session.id]
                for told in self.on_end:
                    told(life.id)

        life.task = asyncio.create_task(live(), name=life.id)
        return life

    def _check_open(self) -> None:
        if self._courses.closing:
            raise RuntimeUnavailable("The service stops; there are no new machines.")
        if not self._recovery.done.is_set():
            raise RuntimeUnavailable("The machines of before are not accounted for yet.")
