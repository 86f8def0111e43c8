"""A machine answers on, whatever a program does with its memory and its processes."""

import contextlib

import pytest

from sessions.runtimes.vm.port import GuestRefused
from tests.support.vm import bash, machines, python, start

pytestmark = pytest.mark.slow(reason="boots a machine and fills it")


async def test_the_smallest_machine_lives_through_programs_that_want_all_memory(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=128)
        # One process alone could stand still for ever, between reading and forgetting.
        assert (await bash(machine, "x=$(tr '\\0' x </dev/zero)")).exit_code == 137
        await check_answers(machine)
        greedy = await python(machine, "x = []\nwhile True: x.append(bytearray(1 << 20) + b'x')")
        assert greedy.exit_code in (1, 137)
        await check_answers(machine)
        await machine.stop()


@pytest.mark.parametrize("memory_mb", [128, 512])
async def test_a_machine_lives_through_processes_that_nobody_has_the_end_of(tmp_path, memory_mb):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=memory_mb)
        await bash(machine, ":() { : | : & }; :")
        for _ in range(20):
            # What ends them cannot tell a program from them that has come in between.
            with contextlib.suppress(GuestRefused):
                if (await bash(machine, "test $(ps | wc -l) -lt 20", 5.0)).exit_code == 0:
                    break
        await check_answers(machine)
        await machine.stop()


async def test_processes_may_be_as_many_as_the_memory_has_room_for(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=512)
        limit = "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC)[0])"
        for outcome in (await bash(machine, "ulimit -u"), await python(machine, limit)):
            assert 400 < int(outcome.stdout) <= 512
        await machine.stop()


async def check_answers(machine):
    """Both languages run."""
    assert (await bash(machine, "echo on")).stdout == b"on\n"
    assert (await python(machine, "print('on')")).stdout == b"on\n"
