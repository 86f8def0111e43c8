"""Machines for sessions: whoever wants one of a session asks here, and nobody else makes any.

Which there are is in `machine_roster.py`, what becomes of one in `machine_course.py`, what runs in
it in `executions.py`; every fact of it goes through `machine_book.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from eventstore.vault import Vault
from projections.events.status import Reason
from projections.events.vm import VmConfigured, VmEnvStaged, VmResized
from projections.folds.session import Session
from projections.folds.vm import Vm
from sessions.caller import SERVICE, Caller
from sessions.domain.machine_sizes import MEMORY_MB
from sessions.domain.rejections import InvalidValue, LimitReached, NoMachine
from sessions.execution_results import Execution
from sessions.executions import Executions
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machine_copies import Copies
from sessions.machine_life import Life, Limits, answers
from sessions.machine_roster import Roster
from sessions.machine_terminals import Terminals
from sessions.runtimes.vm.port import Machine, Machines, Program

FILE_BYTES_MAX: Final = 1 << 30
LIMITS: Final = Limits()


class MachineSessions:
    """The machines of all sessions; `executions`, `copies` and `terminals` are what they do.

    Every method raises NotFound or Deleted for a session or machine that the caller has not, and
    RuntimeUnavailable, MachineFailed and StorageError where they stand in the way.
    """

    def __init__(
        self,
        book: MachineBook,
        vault: Vault,
        machines: Machines,
        gate: Gate,
        clock_us: Callable[[], int],
        limits: Limits = LIMITS,
    ) -> None:
        self.book = book
        self._roster = roster = Roster(book, vault, machines, gate, clock_us, limits)
        self.executions = Executions(roster, vault, limits)
        self.copies = Copies(roster, vault, machines, limits)
        self.terminals = Terminals(roster)
        self._gate = gate
        self._limits = limits
        roster.on_end.append(self.terminals.gone)
        roster.on_erasure.append(self.copies.forget_all_of)

    # What is there.

    async def check(self) -> None:
        """Return where machines can be made; raises RuntimeUnavailable."""
        await self._roster.check()

    def check_room(self, memory_mb: int = MEMORY_MB) -> None:
        """Return where a machine with so much memory may at least wait for room.

        Raises LimitReached if too many do, InvalidValue for one that never gets it.
        """
        self._gate.check(memory_mb)

    @property
    def lives(self) -> dict[str, Life]:
        """The lives of machines, by session."""
        return self._roster.lives

    async def vm(self, vm_id: str, who: Caller) -> Vm:
        """A machine as it is now."""
        return await self.book.vm(vm_id, who)

    async def newest(self, session_id: str, who: Caller) -> Vm | None:
        """The machine that the session had last, ended or not; None before its first one."""
        session = await self._roster.session(session_id, who)
        return await self.book.newest_vm(session.id)

    def living(self, vm: Vm) -> Machine:
        """The machine that answers; raises NoMachine."""
        return self._roster.living(vm)

    def position(self, vm_id: str) -> int | None:
        """The place of a machine among those that wait for room, from 1; None if it does not."""
        return self._gate.position(vm_id)

    # Beginning and ending.

    async def ensure(self, session_id: str, who: Caller) -> Vm:
        """The machine of the session once it answers; it is made where there is none.

        A suspended one goes on. Raises AlreadyEnded, LimitReached if too many wait, and NoMachine
        for a session of another kind, or with a `spec` that no machine can have.
        """
        life = await self._roster.life(session_id, who)
        return await self.book.vm(life.id, SERVICE)

    async def begin(self, session_id: str, who: Caller) -> Vm:
        """The machine of the session as soon as it is requested; raises as `ensure`."""
        life = await self._roster.begun(session_id, who)
        return await self.book.vm(life.id, SERVICE)

    def begin_soon(self, session_id: str, who: Caller) -> None:
        """Make the machine of the session, and let the session say what comes of it."""
        self._roster.begin_soon(session_id, who)

    async def stop(self, vm_id: str, who: Caller, reason: Reason = "requested") -> Vm:
        """The machine once it has ended; its session can have another one. May be repeated."""
        while True:
            vm = await self.book.vm(vm_id, who)
            life = self._roster.life_of(vm)
            if life is not None:
                ask = life.ask(suspend=False, reason=reason, detail="", who=who)
                await self._roster.asked(life, ask.done)
            elif vm.status == "suspended":  # it may have become so before it heard of this
                await self._roster.discard(vm, reason, who)
            else:
                return vm

    async def kill(self, session_id: str, who: Caller) -> Vm | None:
        """The newest machine of the session once it has ended; None where there was none.

        With it goes what it was to go on from, where it did not get there.
        """
        session = await self._roster.session(session_id, who)
        vm = await self.book.newest_vm(session.id)
        if vm is None:
            return None
        stopped = await self.stop(vm.id, who)
        standing = self._roster.suspended.get(session.id)
        if standing is not None and standing != vm.id:
            _ = await self.stop(standing, who)
        return stopped

    async def suspend(self, vm_id: str, who: Caller) -> Vm:
        """The machine once it stands still, kept on the disk; what runs in it is cut off.

        Its lifetime stands still too. Raises NoMachine for one that does not run.
        """
        vm = await self.book.vm(vm_id, who)
        if vm.status == "suspended":
            return vm
        life = self._roster.running(vm)
        ask = life.ask(suspend=True, reason="requested", detail="", who=who)
        await self._roster.asked(life, ask.done)
        return await self.book.vm(vm_id, SERVICE)

    async def resume(self, vm_id: str, who: Caller, *, wait: bool = True) -> Vm:
        """The machine, with an id of its own, that goes on where the suspended one stood.

        Without `wait` it is only requested by then. Raises NoMachine for one that is not suspended,
        and as `ensure`.
        """
        vm = await self.book.vm(vm_id, who)
        if vm.status != "suspended":
            raise NoMachine(f"The machine is not suspended: it is {vm.status}.")
        return await (self.ensure if wait else self.begin)(vm.session, who)

    # Changing.

    async def configure(self, vm_id: str, change: VmConfigured, who: Caller) -> Vm:
        """The machine with another name or other metadata; also one that ended."""
        await self.book.vm(vm_id, who)
        return await self.book.tell_vm(vm_id, lambda _: (change,), who)

    async def resize(self, vm_id: str, memory_mb: int, who: Caller) -> Vm:
        """The machine with more memory; it never gets less.

        Raises NoMachine, InvalidValue for less than it has, and LimitReached where there is none.
        """
        vm = await self.book.vm(vm_id, who)
        machine = self._roster.living(vm)
        if memory_mb < vm.memory_mb:
            raise InvalidValue("memory_mb", f"a machine with {vm.memory_mb} MB never gets less")
        if memory_mb == vm.memory_mb:
            return vm
        if not self._gate.grow(vm_id, memory_mb):
            raise LimitReached("There is not so much memory left for machines; try again later.")
        try:
            async with answers(self._limits.resize_s):
                memory_mb = await machine.resize(memory_mb)
        except BaseException:
            self._gate.grow(vm_id, vm.memory_mb)
            raise
        self._gate.grow(vm_id, memory_mb)
        return await self.book.tell_vm(vm_id, lambda _: (VmResized(memory_mb=memory_mb),), who)

    async def stage_env(self, vm_id: str, env: dict[str, str], who: Caller) -> Vm:
        """The machine whose later programs find `env` too; the values are kept nowhere else."""
        vm = await self.book.vm(vm_id, who)
        machine = self._roster.living(vm)
        async with answers(self._limits.answer_s):
            await machine.setenv(env)
        return await self.book.tell_vm(vm_id, lambda _: (VmEnvStaged(names=tuple(env)),), who)

    # Files and programs.

    async def execute(self, session_id: str, program: Program, who: Caller) -> Execution:
        """The execution once it ended; the machine is made where there is none.

        Raises as `ensure`; an execution that was cut off says so, and why.
        """
        return await self.executions.execute(session_id, program, who)

    async def execute_soon(self, session_id: str, program: Program, who: Caller) -> Execution:
        """The execution that will be; it is in the log, and so is what comes of it."""
        return await self.executions.execute_soon(session_id, program, who)

    async def execution(self, execution_id: str, who: Caller) -> Execution:
        """An execution, with as much of its output as is still there; raises NotFound."""
        return await self.executions.get(execution_id, who)

    async def upload(
        self, session_id: str, path: str, data: AsyncIterator[bytes], who: Caller
    ) -> int:
        """The size of the file that is in the machine now; raises GuestRefused."""
        machine = await self._roster.machine(session_id, who)
        async with self._roster.in_use(session_id, who), answers(self._limits.file_s):
            return await machine.put(path, data)

    async def download(
        self, session_id: str, path: str, who: Caller, bytes_max: int = FILE_BYTES_MAX
    ) -> AsyncIterator[bytes]:
        """The bytes of a file in the machine; raises GuestRefused, and NoMachine without one.

        A suspended machine goes on for it.
        """
        session = await self._roster.session(session_id, who)
        if session.id not in self.lives and session.id not in self._roster.suspended:
            raise NoMachine("The session has no machine, and so no files.")
        machine = await self._roster.machine(session_id, who)
        async with self._roster.in_use(session_id, who):
            parts = machine.get(path, bytes_max)
            while True:
                async with answers(self._limits.answer_s):
                    part = await anext(parts, None)
                if part is None:
                    return
                yield part

    def in_use(self, session_id: str, who: Caller) -> AbstractAsyncContextManager[None]:
        """The session counts as used for so long; entering raises NotFound or Deleted."""
        return self._roster.in_use(session_id, who)

    # Opening, closing, and what happens meanwhile.

    async def open(self) -> None:
        """Tell what became of the machines of the service that ran before, and go on from there."""
        await self._roster.open()

    async def close(self) -> None:
        """End every machine, quickly; what was not told by then the next start tells."""
        await self._roster.close(self.executions.tasks)

    def notice(self, session: Session) -> None:
        """A session is as it is now: its machine follows. Told at the moment of each commit."""
        self._roster.notice(session)

    def notice_vm(self, vm: Vm) -> None:
        """A machine is as it is now. Told at the moment of each commit."""
        self._roster.notice_vm(vm)
