"""Executions: what came of a program is there while it runs, after it, and after a restart."""

import asyncio

import pytest
from msgspec.structs import replace

from eventstore.commit import START
from eventstore.memory import MemoryLog
from eventstore.vault import Erasure
from sessions.domain.commands import ChangeStatus, Delete, Extend
from sessions.domain.rejections import AlreadyEnded, LimitReached, NotFound
from sessions.execution_history import started_in
from sessions.execution_results import Execution, Results
from sessions.runtimes.vm.port import Program
from tests.support.machine_service import PATIENT, USER, opened, until
from tests.support.scripted_machines import Script, ScriptedMachines


@pytest.fixture
async def runtime():
    return ScriptedMachines(Script())


@pytest.fixture
async def log():
    return MemoryLog()


@pytest.fixture
async def service(tmp_path, log, runtime):
    async with opened(tmp_path, log, runtime) as service:
        yield service


def program(code, timeout_s=1.0):
    return Program(code=code, language="bash", timeout_s=timeout_s)


async def test_one_that_is_promised_is_in_the_log_before_it_is_answered(service):
    session = await service.session()
    promised = await service.machines.execute_soon(session, program("echo hi"), USER)
    assert (promised.status, promised.complete) == ("waiting", False)
    assert (await service.facts(f"session/{session}"))[-1] == "execution.requested"
    await until(lambda: not service.machines.executions.tasks)
    done = await service.machines.execution(promised.id, USER)
    assert (done.status, done.stdout, done.reason) == ("finished", b"hi\n", "finished")


async def test_one_that_is_promised_and_cannot_run_says_why(service, runtime):
    session = await service.session()
    runtime.script.then("boot", "fail")
    promised = await service.machines.execute_soon(session, program("echo hi"), USER)
    await until(lambda: not service.machines.executions.tasks)
    failed = await service.machines.execution(promised.id, USER)
    assert (failed.status, failed.reason) == ("cut_off", "runtime_failed")
    assert "the script fails boot" in failed.detail


async def test_an_ended_session_is_promised_nothing(service):
    session = await service.session()
    await service.sessions.execute(session, ChangeStatus(to="completed"), USER)
    with pytest.raises(AlreadyEnded):
        await service.machines.execute_soon(session, program("echo hi"), USER)
    assert (await service.facts(f"session/{session}"))[-1] == "session.status_changed"


async def test_after_a_restart_the_log_knows_them(tmp_path, log, runtime):
    async with opened(tmp_path, log, runtime) as service:
        session = await service.session()
        done = await service.machines.execute(session, program("echo hi"), USER)
        much = await service.machines.execute(session, program("yes 100000"), USER)
        late = await service.machines.execute(session, program("sleep", 0.05), USER)
        assert (len(much.stdout), much.truncated) == (100_000, False)
    assert b"echo hi" not in b"".join(r.body for r in await log.read())
    async with opened(tmp_path, log, ScriptedMachines()) as service:
        get = service.machines.execution
        again = await get(done.id, USER)
        assert (again.status, again.stdout, again.exit_code) == ("finished", b"hi\n", 0)
        assert (again.session, again.vm, again.language) == (session, done.vm, "bash")
        again = await get(much.id, USER)
        assert (len(again.stdout), again.stdout_bytes, again.truncated) == (65_536, 100_000, True)
        again = await get(late.id, USER)
        assert (again.status, again.timed_out, again.exit_code) == ("finished", True, None)
        ids, following = await started_in(service.book, session, START, 2)
        assert ids == [done.id, much.id]
        assert following is not None
        assert await started_in(service.book, session, following, 2) == ([late.id], None)


async def test_what_a_crash_cut_off_says_so(tmp_path, log, runtime):
    async with opened(tmp_path, log, runtime, close=False) as service:
        session = await service.session()
        await service.machines.ensure(session, USER)
        runtime.script.then("execute", "hang")
        promised = await service.machines.execute_soon(session, program("echo"), USER)
        await runtime.script.entered.wait()
    async with opened(tmp_path, log, ScriptedMachines()) as service:
        cut = await service.machines.execution(promised.id, USER)
        assert (cut.status, cut.reason, cut.exit_code) == ("cut_off", "service_restart", None)


async def test_of_an_erased_session_nobody_reads_what_ran(tmp_path, log, runtime):
    async with opened(tmp_path, log, runtime) as service:
        session = await service.session()
        done = await service.machines.execute(session, program("echo hi"), USER)
        await service.vault.erase(Erasure(f"session/{session}", USER.actor, "lab"))
    async with opened(tmp_path, log, ScriptedMachines()) as service:
        gone = await service.machines.execution(done.id, USER)
        assert (gone.stdout, gone.stdout_bytes, gone.truncated) == (b"", 3, True)


async def test_another_tenant_sees_none_of_it(service):
    session = await service.session()
    done = await service.machines.execute(session, program("echo hi"), USER)
    stranger = USER.__class__(actor="key:x", tenant="other", scopes=("sessions:read",))
    for execution_id in (done.id, "none", "\udcff"):
        with pytest.raises(NotFound):
            await service.machines.execution(execution_id, stranger)


async def test_who_leaves_does_not_take_the_program_along(service, runtime):
    session = await service.session()
    await service.machines.ensure(session, USER)
    asked = asyncio.create_task(
        service.machines.execute(session, program("sleep", timeout_s=0.1), USER)
    )
    await until(lambda: runtime.made[0].programs)
    asked.cancel()
    await until(lambda: not service.machines.executions.tasks)
    (vm,) = await service.vms(session)
    assert (vm.executions, vm.executing) == (1, 0)
    assert (await service.facts(f"vm/{vm.id}"))[-1] == "execution.finished"


async def test_a_machine_that_does_not_say_how_it_ended_is_given_up(tmp_path, log, runtime):
    async with opened(tmp_path, log, runtime, limits=replace(PATIENT, answer_s=0.3)) as service:
        session = await service.session()
        runtime.script.then("execute", "hang")
        cut = await service.machines.execute(session, program("echo", timeout_s=0.05), USER)
        assert (cut.status, cut.reason) == ("cut_off", "runtime_failed")
        await until(lambda: not service.machines.lives)
        assert await service.status(session) == ("paused", "runtime_failed")


async def test_the_end_of_the_session_cuts_off_what_runs(service, runtime):
    session = await service.session()
    running = asyncio.create_task(
        service.machines.execute(session, program("sleep", timeout_s=30), USER)
    )
    await until(lambda: runtime.made and runtime.made[0].programs)
    await service.sessions.execute(session, Delete(), USER)
    cut = await running
    assert (cut.status, cut.reason) == ("cut_off", "deleted")


async def test_a_session_has_so_many_programs_at_a_time(service, runtime, monkeypatch):
    monkeypatch.setattr("sessions.executions.UNFINISHED_OF_SESSION_MAX", 1)
    session = await service.session()
    await service.machines.execute_soon(session, program("sleep", timeout_s=600), USER)
    with pytest.raises(LimitReached):
        await service.machines.execute(session, program("echo"), USER)
    await until(lambda: runtime.made and runtime.made[0].programs)
    await service.machines.kill(session, USER)
    await until(lambda: not service.machines.executions.tasks)
    await service.machines.execute(session, program("echo"), USER)


async def test_work_in_flight_is_a_use_of_the_session(service, runtime):
    session = await service.session()
    await service.sessions.execute(session, Extend(idle_timeout_s=1), USER)
    before = await service.sessions.get(session, USER)
    await service.machines.execute(session, program("sleep", timeout_s=0.5), USER)
    after = await service.sessions.get(session, USER)
    assert after.active_at - before.active_at >= 400_000


def test_results_hold_so_many_bytes_and_forget_the_oldest():
    held = Results(bytes_max=10, count_max=3)
    for number in range(4):
        held.put(execution(f"x-{number}", b"1234"))
    assert [held.get(f"x-{number}") is not None for number in range(4)] == [
        False,
        False,
        True,
        True,
    ]
    held.put(execution("running", b"", status="running"))
    for number in range(9):
        held.put(execution(f"y-{number}", b""))
    assert held.unfinished == 1
    assert held.get("running") is not None
    assert held.get("x-3") is None


def execution(execution_id, stdout, status="finished"):
    return Execution(
        id=execution_id,
        session="s",
        tenant="lab",
        language="bash",
        status=status,
        created_at=0,
        stdout=stdout,
    )
