"""Copies of machines and terminals in them: what a user keeps, and what goes with the machine."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from eventstore.memory import MemoryLog
from sessions.domain.commands import Delete, Erase
from sessions.domain.rejections import LimitReached, NoMachine, NotFound
from sessions.runtimes.vm.port import MachineFailed, Program
from tests.support.machine_service import PATIENT, USER, opened, until
from tests.support.scripted_machines import Script, ScriptedMachines


@pytest.fixture
async def runtime():
    return ScriptedMachines(Script())


@pytest.fixture
async def service(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        yield service


@pytest.fixture
async def vm(service, runtime):
    session = await service.session(env={"A": "x y"})
    made = await service.machines.ensure(session, USER)
    runtime.running[made.id].files["/workspace/f"] = b"1"
    return made


async def test_a_snapshot_is_told_in_two_steps_and_machines_begin_with_it(service, runtime, vm):
    copies = service.machines.copies
    snapshot = await copies.snapshot(vm.id, "nightly", USER)
    assert (snapshot.status, snapshot.name, snapshot.vm) == ("ready", "nightly", vm.id)
    assert (snapshot.size, snapshot.vcpu_count) == (4096, vm.vcpu_count)
    steps = await service.facts(f"snapshot/{snapshot.id}")
    assert steps == ["snapshot.requested", "snapshot.ready"]
    assert (await service.machines.vm(vm.id, USER)).snapshots == (snapshot.id,)
    session = await service.session(snapshot_id=snapshot.id, vcpu_count=1)
    begun = await service.machines.ensure(session, USER)
    assert (begun.snapshot, begun.vcpu_count) == (snapshot.id, vm.vcpu_count)
    assert runtime.running[begun.id].files == {"/workspace/f": b"1"}


async def test_snapshots_are_listed_newest_first_until_they_are_deleted(service, runtime, vm):
    copies = service.machines.copies
    one, two = [await copies.snapshot(vm.id, name, USER) for name in ("one", "two")]
    assert [each.id for each in await copies.list(USER)] == [two.id, one.id]
    assert (await copies.delete(one.id, USER)).deleted
    assert [each.id for each in await copies.list(USER)] == [two.id]
    assert list(runtime.disk) == [two.id]
    with pytest.raises(NotFound):
        await copies.get(one.id, USER)
    stranger = USER.__class__(actor="key:x", tenant="other", scopes=("sessions:read",))
    assert await copies.list(stranger) == []
    with pytest.raises(NotFound):
        await copies.get(two.id, stranger)


@pytest.mark.parametrize("act", ["fail", "hang", "die"])
async def test_a_snapshot_that_fails_says_why_and_leaves_nothing(tmp_path, runtime, act):
    limits = replace(PATIENT, keep_s=0.5)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits) as service:
        vm = await service.machines.ensure(await service.session(), USER)
        runtime.script.then("keep", act)
        with pytest.raises(MachineFailed, match="could not be copied"):
            await service.machines.copies.snapshot(vm.id, "", USER)
        (snapshot,) = await service.machines.copies.list(USER)
        assert snapshot.status == "failed"
        assert snapshot.detail
        assert runtime.disk == {}


async def test_there_are_so_many_snapshots(service, vm, monkeypatch):
    monkeypatch.setattr("sessions.machine_copies.SNAPSHOTS_MAX", 1)
    await service.machines.copies.snapshot(vm.id, "", USER)
    with pytest.raises(LimitReached):
        await service.machines.copies.snapshot(vm.id, "", USER)


async def test_a_machine_that_does_not_run_is_not_copied(service, vm):
    await service.machines.stop(vm.id, USER)
    with pytest.raises(NoMachine):
        await service.machines.copies.snapshot(vm.id, "", USER)


@pytest.mark.parametrize(("name", "still"), [("", False), ("kept", False), ("", True)])
async def test_a_clone_has_a_session_of_its_own_with_the_same_secrets(
    service, runtime, vm, name, still
):
    if still:
        await service.machines.suspend(vm.id, USER)
    clone = await service.machines.copies.clone(vm.id, name, USER)
    assert clone.session != vm.session
    assert (clone.clone_of, clone.status) == (vm.id, "running")
    assert runtime.running[clone.id].files == {"/workspace/f": b"1"}
    program = Program(code="env A", language="bash", timeout_s=1)
    assert (await service.machines.execute(clone.session, program, USER)).stdout == b"x y\n"
    needed = {vm.id} if still else set()
    kept = {each.id for each in await service.machines.copies.list(USER)}
    await service.machines.stop(clone.id, USER)
    await until(lambda: set(runtime.disk) == needed | kept)
    assert bool(kept) == bool(name)


async def test_an_erased_session_takes_its_snapshots_along(service, runtime, vm):
    snapshot = await service.machines.copies.snapshot(vm.id, "", USER)
    await service.sessions.execute(vm.session, Delete(), USER)
    assert [each.id for each in await service.machines.copies.list(USER)] == [snapshot.id]
    await service.sessions.execute(vm.session, Erase(), USER)
    await until(lambda: not runtime.disk)
    assert await service.machines.copies.list(USER) == []


async def test_terminals_are_there_as_long_as_their_machine(service, vm):
    terminals = service.machines.terminals
    made = await terminals.open(vm.session, USER, cols=80, rows=24, id="mine")
    assert (made.vm, made.cols, made.rows) == (vm.id, 80, 24)
    assert await terminals.open(vm.session, USER, cols=1, rows=1, id="mine") is made
    await made.terminal.write(b"ls\n")
    assert await anext(aiter(made.terminal.output())) == b"ls\n"
    assert (await terminals.resize(vm.session, "mine", 100, 30, USER)).cols == 100
    assert [each.id for each in await terminals.list(vm.session, USER)] == ["mine"]
    other = await terminals.open(vm.session, USER, cols=80, rows=24)
    await terminals.kill(vm.session, other.id, USER)
    with pytest.raises(NotFound):
        await terminals.get(vm.session, other.id, USER)
    await service.machines.stop(vm.id, USER)
    assert await terminals.list(vm.session, USER) == []


async def test_a_machine_has_so_many_terminals(service, vm, monkeypatch):
    monkeypatch.setattr("sessions.machine_terminals.TERMINALS_MAX", 1)
    first = await service.machines.terminals.open(vm.session, USER, cols=80, rows=24)
    with pytest.raises(LimitReached):
        await service.machines.terminals.open(vm.session, USER, cols=80, rows=24)
    await first.terminal.kill()
    await service.machines.terminals.open(vm.session, USER, cols=80, rows=24)


async def test_a_terminal_whose_client_is_cut_off_is_known_all_the_same(service, vm, monkeypatch):
    terminals, roster = service.machines.terminals, service.machines._roster
    opened, never = asyncio.Event(), asyncio.Event()

    @contextlib.asynccontextmanager
    async def in_use(*_):
        yield
        opened.set()
        await never.wait()

    monkeypatch.setattr(roster, "in_use", in_use)
    opening = asyncio.create_task(terminals.open(vm.session, USER, cols=80, rows=24, id="mine"))
    await opened.wait()
    opening.cancel()
    await asyncio.wait({opening})
    assert [each.id for each in await terminals.list(vm.session, USER)] == ["mine"]
