"""A machine that cannot go on, once or ever: its session has a way out, and nothing is left."""

import pytest

from eventstore.memory import MemoryLog
from sessions.domain.commands import Delete
from sessions.runtimes.vm.port import KeptLost, MachineFailed
from tests.support.machine_service import USER, opened, until
from tests.support.scripted_machines import Script, ScriptedMachines


class Forgetful(ScriptedMachines):
    """Whatever was kept turns out to be damaged when a machine is to go on from it."""

    async def start(self, wanted, spawned):
        """Make one; raises KeptLost."""
        if wanted.kept:
            raise KeptLost("the machine is damaged and cannot go on")
        return await super().start(wanted, spawned)


@pytest.fixture
def runtime():
    return ScriptedMachines(Script())


async def suspended(service):
    """A session whose machine stands still, and the machine."""
    session = await service.session()
    vm = await service.machines.ensure(session, USER)
    return session, await service.machines.suspend(vm.id, USER)


async def test_a_machine_that_did_not_get_going_is_tried_again(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        session, vm = await suspended(service)
        runtime.script.then("boot", "fail", "die")
        for _ in range(2):
            with pytest.raises(MachineFailed):
                await service.machines.resume(vm.id, USER)
            await until(lambda: not service.machines.lives)
            assert (await service.machines.vm(vm.id, USER)).status == "suspended"
            assert (await service.status(session))[0] == "paused"
        going = await service.machines.resume(vm.id, USER)
        assert (going.status, going.goes_on, going.generation) == ("running", vm.id, 4)
        assert (await service.machines.vm(vm.id, USER)).goes_on_as == going.id
        assert not runtime.disk


async def test_what_was_not_reached_before_a_crash_is_gone_on_from_after_it(tmp_path, runtime):
    log = MemoryLog()
    async with opened(tmp_path, log, runtime, close=False) as service:
        session, vm = await suspended(service)
        runtime.script.then("boot", "hang")
        service.machines.begin_soon(session, USER)
        await runtime.script.entered.wait()
    later = ScriptedMachines(Script(), runtime.disk)
    async with opened(tmp_path, log, later) as service:
        assert (await service.machines.vm(vm.id, USER)).status == "suspended"
        going = await service.machines.ensure(session, USER)
        assert (going.goes_on, going.generation) == (vm.id, 3)
        assert not later.disk


@pytest.mark.parametrize("end", ["kill", "delete"])
async def test_what_was_not_reached_ends_with_its_session_or_its_machine(tmp_path, runtime, end):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        session, vm = await suspended(service)
        runtime.script.then("boot", "fail")
        with pytest.raises(MachineFailed):
            await service.machines.resume(vm.id, USER)
        await until(lambda: not service.machines.lives)
        if end == "kill":
            await service.machines.kill(session, USER)
        else:
            await service.sessions.execute(session, Delete(), USER)
        await until(lambda: not runtime.disk)
        assert (await service.machines.vm(vm.id, USER)).status == "stopped"


async def test_a_damaged_machine_is_lost_and_the_session_has_another(tmp_path):
    runtime = Forgetful(Script())
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        session, vm = await suspended(service)
        with pytest.raises(MachineFailed, match="damaged"):
            await service.machines.resume(vm.id, USER)
        await until(lambda: not service.machines.lives)
        vm = await service.machines.vm(vm.id, USER)
        assert (vm.status, vm.reason) == ("lost", "runtime_lost")
        assert "damaged" in vm.detail
        assert not runtime.disk
        again = await service.machines.ensure(session, USER)
        assert (again.status, again.goes_on) == ("running", "")


async def test_the_copy_that_a_clone_began_with_is_there_no_longer_than_needed(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        session = await service.session()
        vm = await service.machines.ensure(session, USER)
        runtime.script.then("boot", "fail")
        with pytest.raises(MachineFailed):
            await service.machines.copies.clone(vm.id, "", USER)
        await until(lambda: not runtime.disk)
        clone = await service.machines.copies.clone(vm.id, "", USER)
        assert (clone.status, clone.clone_of) == ("running", vm.id)
        assert not runtime.disk
