"""Machines of sessions: one at a time, from the wish to the end, and every step in the log."""

import asyncio

import pytest
from msgspec.structs import replace

from eventstore.memory import MemoryLog
from projections.folds.vm import expiry
from sessions.domain.admission import Budget
from sessions.domain.commands import ChangeStatus, Delete
from sessions.domain.rejections import AlreadyEnded, InvalidValue, LimitReached, NoMachine, NotFound
from sessions.runtimes.vm.port import MachineFailed, Program, RuntimeUnavailable
from tests.support.machine_service import PATIENT, USER, opened, until
from tests.support.scripted_machines import Script, ScriptedMachines


@pytest.fixture
async def runtime():
    return ScriptedMachines(Script())


@pytest.fixture
async def service(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        yield service


def program(code, language="bash", timeout_s=1.0):
    return Program(code=code, language=language, timeout_s=timeout_s)


async def test_the_first_execution_makes_the_machine_and_the_log_tells_each_step(service):
    session = await service.session()
    execution = await service.machines.execute(session, program("echo hi"), USER)
    assert (execution.status, execution.exit_code, execution.stdout) == ("finished", 0, b"hi\n")
    (vm,) = await service.vms(session)
    assert (vm.status, vm.generation, vm.executions, vm.executing) == ("running", 1, 1, 0)
    assert await service.facts(f"vm/{vm.id}") == [
        "vm.requested",
        "vm.started",
        "vm.ready",
        "execution.started",
        "execution.finished",
    ]
    assert await service.status(session) == ("running", "requested")
    moves = await service.book.log.read_stream(f"session/{session}")
    statuses = [tag for r in moves for tag in r.commit.tags if tag.startswith("status=")]
    assert statuses == ["status=pending", "status=starting", "status=running"]


async def test_wishes_that_come_while_it_starts_get_the_same_machine(service, runtime):
    session = await service.session()
    runs = [service.machines.execute(session, program(f"echo {n}"), USER) for n in range(10)]
    outputs = [execution.stdout for execution in await asyncio.gather(*runs)]
    assert outputs == [f"{n}\n".encode() for n in range(10)]
    assert len(runtime.made) == 1


async def test_the_environment_of_the_session_is_that_of_each_machine(service):
    env = {"A": "x y", "B": 'it\'s "$HOME" `id`'}
    session = await service.session("queued", env=env)
    for generation in (1, 2):
        for name, value in env.items():
            execution = await service.machines.execute(session, program(f"env {name}"), USER)
            assert execution.stdout.decode() == f"{value}\n"
        vm = await service.machines.kill(session, USER)
        assert (vm.generation, vm.env_names) == (generation, ("A", "B"))
    log = b"".join(recorded.body for recorded in await service.book.log.read())
    assert b"x y" not in log
    assert b"$HOME" not in log


async def test_after_a_kill_the_session_rests_and_has_another_machine_next(service):
    session = await service.session()
    await service.machines.ensure(session, USER)
    killed = await service.machines.kill(session, USER)
    assert (killed.status, killed.reason) == ("stopped", "requested")
    assert await service.status(session) == ("paused", "requested")
    assert (await service.machines.kill(session, USER)).id == killed.id
    vm = await service.machines.ensure(session, USER)
    assert (vm.status, vm.generation) == ("running", 2)
    assert await service.status(session) == ("running", "requested")


async def test_a_session_without_a_machine_has_none_to_kill(service):
    assert await service.machines.kill(await service.session(), USER) is None
    with pytest.raises(NotFound):
        await service.machines.kill("nowhere", USER)


async def test_a_machine_that_dies_leaves_a_session_that_goes_on(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    runtime.script.then("execute", "die")
    execution = await service.machines.execute(session, program("echo"), USER)
    assert (execution.status, execution.exit_code) == ("cut_off", None)
    assert "the process is gone" in execution.detail
    await until(lambda: not service.machines.lives)
    vm = await service.machines.vm(vm.id, USER)
    assert (vm.status, vm.reason, vm.executing) == ("lost", "runtime_lost", 0)
    assert await service.status(session) == ("paused", "runtime_lost")
    again = await service.machines.execute(session, program("echo hi"), USER)
    assert again.stdout == b"hi\n"


@pytest.mark.parametrize("step", ["spawn", "boot"])
@pytest.mark.parametrize("act", ["fail", "die", "hang"])
async def test_a_machine_that_cannot_start_ends_its_session_in_words(tmp_path, runtime, step, act):
    runtime.script.then(step, act)
    limits = replace(PATIENT, start_s=0.5)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits) as service:
        session = await service.session()
        with pytest.raises(MachineFailed):
            await service.machines.ensure(session, USER)
        await until(lambda: not service.machines.lives)
        (vm,) = await service.vms(session)
        assert (vm.status, vm.reason) == ("lost", "runtime_failed")
        assert vm.detail
        assert await service.status(session) == ("failed", "runtime_failed")
        assert not runtime.running


@pytest.mark.parametrize("step", ["spawn", "boot"])
async def test_a_machine_that_cannot_start_again_leaves_the_session_at_rest(service, runtime, step):
    session = await service.session()
    await service.machines.ensure(session, USER)
    await service.machines.kill(session, USER)
    runtime.script.then(step, "fail")
    with pytest.raises(MachineFailed):
        await service.machines.ensure(session, USER)
    assert await service.status(session) == ("paused", "runtime_failed")
    assert (await service.machines.ensure(session, USER)).generation == 3


async def test_where_no_machine_can_be_made_nothing_is_told_of_one(service, runtime):
    runtime.script.then("check", "unavailable")
    session = await service.session()
    with pytest.raises(RuntimeUnavailable, match="apt-get install"):
        await service.machines.execute(session, program("echo"), USER)
    assert await service.status(session) == ("pending", "requested")
    assert await service.vms(session) == []
    await service.machines.execute(session, program("echo"), USER)


async def test_a_session_that_waits_for_a_machine_that_cannot_be_made_fails(service, runtime):
    runtime.script.then("check", "unavailable")
    session = await service.session("queued", env={"A": "1"})
    service.machines.begin_soon(session, USER)
    await until(lambda: runtime.script.calls["check"])
    await until(lambda: not service.machines.lives)
    assert await service.status(session) == ("failed", "runtime_unavailable")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"vcpu_count": 3}, "vcpu_count"),
        ({"vcpu_count": True}, "vcpu_count"),
        ({"memory_mb": 127}, "memory_mb"),
        ({"memory_mb": "512"}, "memory_mb"),
        ({"vm_lifetime_seconds": 19}, "vm_lifetime_seconds"),
        ({"memory_mb": 8192}, "memory_mb"),  # more than all machines may have together
        ({"snapshot_id": "snap-0"}, "snapshot_id"),
        ({"env": {"a=b": "1"}}, "secrets"),
    ],
)
async def test_a_spec_that_no_machine_can_have_is_refused(service, spec, field):
    session = await service.session(**spec)
    with pytest.raises(NoMachine, match=field):
        await service.machines.ensure(session, USER)
    assert await service.status(session) == ("pending", "requested")


async def test_machines_wait_for_room_in_the_order_of_their_wishes(tmp_path, runtime):
    budget = Budget(memory_mb=4096, count=1, starts=1, queue=2)
    async with opened(tmp_path, MemoryLog(), runtime, budget=budget) as service:
        sessions = [await service.session() for _ in range(4)]
        first = await service.machines.ensure(sessions[0], USER)
        waiting = [await service.machines.begin(each, USER) for each in sessions[1:3]]
        await until(lambda: [service.machines.position(vm.id) for vm in waiting] == [1, 2])
        await until(lambda: _all_are(service, sessions[1:3], "queued"))
        with pytest.raises(LimitReached):
            await service.machines.ensure(sessions[3], USER)
        assert await service.status(sessions[3]) == ("pending", "requested")
        await service.machines.stop(first.id, USER)
        await service.machines.ensure(sessions[1], USER)
        assert service.machines.position(waiting[1].id) == 1
        # One that waits can be killed too, and makes room in the queue.
        await service.machines.stop(waiting[1].id, USER)
        assert await service.status(sessions[2]) == ("stopped", "requested")


async def _all_are(service, sessions, status):
    return all([(await service.status(each))[0] == status for each in sessions])


@pytest.mark.parametrize("how", ["ended", "deleted"])
async def test_a_session_that_ends_takes_its_machine_with_it(service, runtime, how):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    command = Delete() if how == "deleted" else ChangeStatus(to="completed", reason="finished")
    await service.sessions.execute(session, command, USER)
    await until(lambda: not service.machines.lives)
    assert not runtime.running
    vm = await service.machines.vm(vm.id, USER)
    assert (vm.status, vm.reason) == ("stopped", "deleted" if how == "deleted" else "finished")


async def test_a_session_that_ends_while_its_machine_starts_has_none_in_the_end(service, runtime):
    runtime.script.then("boot", "hang")
    session = await service.session()
    vm = await service.machines.begin(session, USER)
    await runtime.script.entered.wait()
    await service.sessions.execute(session, Delete(), USER)
    await until(lambda: not service.machines.lives)
    assert not runtime.running
    assert (await service.machines.vm(vm.id, USER)).status == "stopped"


async def test_an_ended_session_gets_no_machine(service):
    session = await service.session()
    await service.sessions.execute(session, ChangeStatus(to="stopped"), USER)
    with pytest.raises(AlreadyEnded):
        await service.machines.ensure(session, USER)


async def test_the_lifetime_counts_from_the_spawn_and_ends_the_machine(service, monkeypatch):
    monkeypatch.setattr("sessions.machine_course.SECOND_US", 1000 * 1_000_000)  # a second is a ms
    session = await service.session(vm_lifetime_seconds=20)
    vm = await service.machines.ensure(session, USER)
    assert expiry(vm) == vm.started_at + 20_000_000
    await until(lambda: not service.machines.lives)
    vm = await service.machines.vm(vm.id, USER)
    assert (vm.status, vm.reason) == ("stopped", "max_duration")
    assert await service.status(session) == ("paused", "max_duration")


async def test_suspended_it_stands_still_and_goes_on_under_a_new_id(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    runtime.running[vm.id].files["/workspace/a"] = b"1"
    still = await service.machines.suspend(vm.id, USER)
    assert (still.status, still.kept_bytes, expiry(still)) == ("suspended", 4096, None)
    assert await service.status(session) == ("paused", "requested")
    assert not runtime.running
    on = await service.machines.resume(vm.id, USER)
    assert on.id != vm.id
    assert (on.session, on.generation, on.goes_on) == (session, 2, vm.id)
    assert runtime.running[on.id].files == {"/workspace/a": b"1"}
    was = await service.machines.vm(vm.id, USER)
    assert (was.status, was.goes_on_as) == ("stopped", on.id)
    await until(lambda: not runtime.disk)
    with pytest.raises(NoMachine):
        await service.machines.resume(vm.id, USER)


async def test_an_execution_makes_a_suspended_machine_go_on(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    await service.machines.suspend(vm.id, USER)
    execution = await service.machines.execute(session, program("echo on"), USER)
    assert execution.stdout == b"on\n"
    assert (await service.machines.vm(execution.vm, USER)).goes_on == vm.id


async def test_a_suspended_machine_that_cannot_go_on_is_still_there(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    await service.machines.suspend(vm.id, USER)
    runtime.script.then("boot", "fail")
    with pytest.raises(MachineFailed):
        await service.machines.resume(vm.id, USER)
    assert await service.status(session) == ("paused", "runtime_failed")
    assert (await service.machines.vm(vm.id, USER)).status == "suspended"
    assert vm.id in runtime.disk


async def test_a_machine_that_refuses_to_stand_still_runs_on(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    runtime.script.then("suspend", "fail")
    with pytest.raises(MachineFailed):
        await service.machines.suspend(vm.id, USER)
    assert await service.status(session) == ("running", "runtime_failed")
    assert (await service.machines.execute(session, program("echo hi"), USER)).vm == vm.id


@pytest.mark.parametrize("act", ["die", "hang"])
async def test_a_machine_that_is_lost_while_it_is_suspended_is_told_so(tmp_path, runtime, act):
    limits = replace(PATIENT, keep_s=0.5)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits) as service:
        session = await service.session()
        vm = await service.machines.ensure(session, USER)
        runtime.script.then("suspend", act)
        with pytest.raises(MachineFailed):
            await service.machines.suspend(vm.id, USER)
        await until(lambda: not service.machines.lives)
        assert (await service.machines.vm(vm.id, USER)).status == "lost"
        assert (await service.status(session))[0] == "paused"


async def test_the_end_of_a_session_forgets_its_suspended_machine(service, runtime):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    await service.machines.suspend(vm.id, USER)
    await service.sessions.execute(session, Delete(), USER)
    await until(lambda: not runtime.disk)
    vm = await service.machines.vm(vm.id, USER)
    assert (vm.status, vm.reason) == ("stopped", "deleted")


async def test_a_session_that_is_paused_by_hand_has_its_machine_suspended(service):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    await service.sessions.execute(session, ChangeStatus(to="pausing"), USER)
    await until(lambda: not service.machines.lives)
    assert (await service.machines.vm(vm.id, USER)).status == "suspended"
    assert (await service.status(session))[0] == "paused"


async def test_memory_grows_within_the_budget_and_never_shrinks(service):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    assert (await service.machines.resize(vm.id, 1024, USER)).memory_mb == 1024
    with pytest.raises(InvalidValue):
        await service.machines.resize(vm.id, 512, USER)
    with pytest.raises(LimitReached):
        await service.machines.resize(vm.id, 8192, USER)
    assert (await service.machines.vm(vm.id, USER)).memory_mb == 1024


async def test_staged_variables_are_seen_and_only_their_names_are_told(service):
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    vm = await service.machines.stage_env(vm.id, {"TOKEN": "hidden value"}, USER)
    assert vm.env_names == ("TOKEN",)
    execution = await service.machines.execute(session, program("env TOKEN"), USER)
    assert execution.stdout == b"hidden value\n"
    assert b"hidden value" not in b"".join(r.body for r in await service.book.log.read())


async def test_files_go_in_and_out(service):
    session = await service.session()

    async def parts():
        yield b"1"
        yield b"23"

    with pytest.raises(NoMachine):
        [part async for part in service.machines.download(session, "/workspace/f", USER)]
    assert await service.machines.upload(session, "/workspace/f", parts(), USER) == 3
    got = [part async for part in service.machines.download(session, "/workspace/f", USER)]
    assert b"".join(got) == b"123"


async def test_closing_ends_ten_machines_and_tells_so(tmp_path, monkeypatch):
    # What a busy machine does not get done in time the next start tells, which is another test.
    monkeypatch.setattr("sessions.machine_roster.CLOSE_S", 60.0)
    log, runtime = MemoryLog(), ScriptedMachines(Script())
    budget = Budget(memory_mb=8192, count=10, starts=10, queue=0)
    async with opened(tmp_path, log, runtime, budget=budget) as service:
        sessions = [await service.session() for _ in range(10)]
        await asyncio.gather(*[service.machines.ensure(each, USER) for each in sessions])
        running = asyncio.create_task(
            service.machines.execute(sessions[0], program("sleep", timeout_s=60), USER)
        )
        await until(lambda: any(machine.programs for machine in runtime.made))
        await service.machines.close()
        assert not runtime.running
        execution = await running
        assert (execution.status, execution.reason) == ("cut_off", "service_restart")
        for each in sessions:
            assert await service.status(each) == ("paused", "service_restart")
            (vm,) = await service.vms(each)
            assert (vm.status, vm.reason) == ("stopped", "service_restart")
        with pytest.raises(RuntimeUnavailable):
            await service.machines.ensure(sessions[0], USER)
