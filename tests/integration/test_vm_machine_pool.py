"""Machines that wait warm are handed out as if they had been started for whoever wants one."""

import asyncio
import os
import signal

import pytest

from tests.support.process import eventually
from tests.support.vm import Traces, bash, machines, python, said, start

pytestmark = pytest.mark.slow(reason="boots machines")

FILLED_S_MAX = 240.0


async def filled(qemu, count=1):
    """Wait until so many machines are warm."""
    await eventually(lambda: qemu.warm_count == count, FILLED_S_MAX, "a warm machine")


async def test_a_warm_machine_is_handed_out_and_another_one_made(tmp_path):
    traces = Traces(tmp_path)
    async with machines(tmp_path, warm={1: 1}) as qemu:
        assert await qemu.open() == 0
        await filled(qemu)
        (waiting,) = traces.processes()
        env = {"A": "b c", "PYTHONUTF8": "1"}
        machine = await start(qemu, "one", memory_mb=512, env=env)
        assert (machine.pid, machine.id, machine.memory_mb) == (waiting, "vmid-one", 512)
        assert await said(bash(machine, 'echo "$A"; ls -A')) == "b c"
        code = "import os, sys; print(os.environ['A'], sys.flags.utf8_mode, dir().count('x'))"
        assert await said(python(machine, code)) == "b c 1 0"
        total = await said(bash(machine, "awk '/MemTotal/ {print $2}' /proc/meminfo"))
        assert int(total) > 440 << 10
        other = await start(qemu, "two", vcpu_count=2)
        assert other.pid != waiting
        await filled(qemu)
        assert len(traces.processes()) == 3
        second = await start(qemu, "three")
        draws = {
            await said(bash(each, "head -c8 /dev/urandom | od -An -tx1"))
            for each in (machine, other, second)
        }
        assert len(draws) == 3


async def test_a_warm_machine_that_died_is_not_handed_out(tmp_path):
    traces = Traces(tmp_path)
    async with machines(tmp_path, warm={1: 1}) as qemu:
        await qemu.open()
        await filled(qemu)
        (waiting,) = traces.processes()
        os.kill(waiting, signal.SIGKILL)
        await asyncio.sleep(0)
        machine = await start(qemu)
        assert machine.pid != waiting
        assert await said(bash(machine, "echo on")) == "on"


async def test_closing_while_a_machine_is_made_warm(tmp_path):
    async with machines(tmp_path, warm={1: 2}) as qemu:
        await qemu.prepare(1)
        await asyncio.sleep(0.3)
