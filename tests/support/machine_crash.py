"""A user of machines, a service that dies under that user at a named append, and what is then true.

What was kept on the disk stays, machines do not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from eventstore.memory import MemoryLog
from projections.events import CODEC
from projections.events.status import ENDED
from projections.events.vm import ExecutionRequested, ExecutionStarted
from projections.folds.vm import VM_ENDED
from sessions.domain.commands import Delete
from sessions.domain.rejections import Rejection
from sessions.runtimes.vm.port import MachineError, Program
from tests.support.dying_log import Dying
from tests.support.machine_service import USER, Service, opened, until
from tests.support.scripted_machines import ScriptedMachines

SETTLE_S_MAX = 60.0
AT_REST = frozenset({"pending", "paused", "running", *ENDED})


def program(code: str) -> Program:
    """A short one."""
    return Program(code=code, language="bash", timeout_s=1.0)


async def _parts() -> AsyncIterator[bytes]:
    yield b"1"


async def use_everything(service: Service) -> None:
    """All that a user does with machines, one thing after the other, whatever is refused."""
    machines = service.machines
    first = await service.session("queued", env={"A": "1"})
    machines.begin_soon(first, USER)
    second = await service.session()
    newest = machines.book.newest_vm

    async def of(session: str, change: Callable[[str], Awaitable[Any]]) -> None:
        vm = await newest(session)
        if vm is not None:
            await change(vm.id)

    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: machines.execute(first, program("echo 1"), USER),
        lambda: machines.execute_soon(second, program("echo 2"), USER),
        lambda: machines.upload(first, "/workspace/f", _parts(), USER),
        lambda: of(first, lambda vm: machines.resize(vm, 1024, USER)),
        lambda: of(first, lambda vm: machines.suspend(vm, USER)),
        lambda: of(first, lambda vm: machines.resume(vm, USER)),
        lambda: of(first, lambda vm: machines.copies.snapshot(vm, "one", USER)),
        lambda: of(first, lambda vm: machines.copies.clone(vm, "", USER)),
        lambda: machines.kill(first, USER),
        lambda: machines.execute(first, program("echo 3"), USER),
        lambda: of(second, lambda vm: machines.suspend(vm, USER)),
        lambda: service.sessions.execute(second, Delete(), USER),
        lambda: _delete_snapshots(service),
    ]
    for step in steps:
        with contextlib.suppress(Rejection, MachineError):
            await step()


async def _delete_snapshots(service: Service) -> None:
    for snapshot in await service.machines.copies.list(USER):
        await service.machines.copies.delete(snapshot.id, USER)


async def appends_of_a_use(folder: Path) -> int:
    """How many appends `use_everything` makes where nothing goes wrong."""
    runtime = ScriptedMachines()
    log = Dying(MemoryLog(), runtime.script, 1 << 30, after=False)
    async with opened(folder, log, runtime) as service:
        await use_everything(service)
        await settled(service)
    return log.appends


async def killed_at(folder: Path, at: int, *, after: bool) -> tuple[MemoryLog, ScriptedMachines]:
    """What a service that was killed at that append leaves: its log, and the machines' disk."""
    log, runtime = MemoryLog(), ScriptedMachines()
    dying = Dying(log, runtime.script, at, after=after)
    async with opened(folder, dying, runtime, close=False) as service:
        using = asyncio.create_task(use_everything(service))
        dead = asyncio.create_task(dying.dead.wait())
        await asyncio.wait({using, dead}, return_when=asyncio.FIRST_COMPLETED)
    return log, runtime


async def settled(service: Service) -> None:
    """Return when nothing moves by itself any more: no machine comes up or goes down."""

    def still() -> bool:
        lives = service.machines.lives.values()
        return all(life.usable for life in lives) and not service.machines.executions.tasks

    await until(still, SETTLE_S_MAX)
    await asyncio.sleep(0.01)
    await until(still, SETTLE_S_MAX)


async def _every(service: Service, prefix: str) -> dict[str, Any]:
    """Every state of one kind of stream, by its id."""
    log = await service.book.log.read(limit=100_000)
    streams = {r.commit.stream for r in log if r.commit.stream.startswith(prefix)}
    states = [await service.follower.states.get(stream) for stream in sorted(streams)]
    return {state.id: state for state in states}


async def check(service: Service, *, disk: bool = True) -> None:
    """Nothing is stuck, nothing runs that nobody owns, nothing is kept that nobody needs."""
    machines, runtime = service.machines, service.runtime
    vms, sessions = await _every(service, "vm/"), await _every(service, "session/")
    snapshots = await _every(service, "snapshot/")
    for vm in vms.values():
        alive = vm.status in VM_ENDED or vm.status == "suspended" or vm.id in runtime.running
        assert alive, f"{vm.id} is {vm.status}, and there is no such machine"
        assert vm.executing == 0, f"{vm.id} executes {vm.executing}"
    for session in sessions.values():
        assert session.status in AT_REST, f"{session.id} is {session.status}"
        lives = session.id in machines.lives
        assert (session.status == "running") == lives, f"{session.id} is {session.status}: {lives}"
    owned = {life.id for life in machines.lives.values()}
    assert set(runtime.running) == owned, "machines run that nobody owns"
    needed = {vm.id for vm in vms.values() if vm.status == "suspended"}
    for vm_id in needed:
        session = sessions[vms[vm_id].session]
        assert not session.ended, f"{vm_id} is suspended, its session has ended"
    ready = {one.id for one in snapshots.values() if one.status == "ready" and not one.deleted}
    assert all(one.status != "creating" for one in snapshots.values())
    if disk:
        assert set(runtime.disk) == needed | ready, "what is kept is not what is needed"
    assert set(runtime.disk) >= needed | ready, "what is needed is not kept"
    await _executions_are_over(service)


async def _executions_are_over(service: Service) -> None:
    for recorded in await service.book.log.read(limit=100_000):
        for event in recorded.commit.events:
            fact = CODEC.decode(event)
            if isinstance(fact, ExecutionStarted | ExecutionRequested):
                execution = await service.machines.execution(fact.id, USER)
                assert execution.complete, f"{fact.id} is {execution.status}"


async def every_session_goes_on(service: Service) -> None:
    """Each session that has not ended runs a program."""
    for session in (await _every(service, "session/")).values():
        if not session.ended and not session.deleted:
            done = await service.machines.execute(session.id, program("echo on"), USER)
            assert done.stdout == b"on\n"
