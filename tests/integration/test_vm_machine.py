"""A machine on QEMU from its start to its end, as the port promises it."""

import asyncio
import itertools
import time

import pytest

from sessions.runtimes.vm.port import GuestRefused, MachineFailed, Wanted
from tests.support.vm import Traces, bash, machines, python, said, start

pytestmark = pytest.mark.slow(reason="boots machines")


async def chunks(*parts):
    """A body that comes in parts."""
    for part in parts:
        yield part


async def test_a_machine_runs_programs_keeps_files_and_grows(tmp_path):
    told: list[str] = []
    async with machines(tmp_path) as qemu:
        env = {"WORDS": "a  b $HOME 'c' \"d\"", "N": "1\n2"}
        wanted = Wanted(id="vmid-a", vcpu_count=2, memory_mb=512, env=env)
        machine = await qemu.start(wanted, told.append)
        assert told == [machine.acceleration]
        assert (machine.id, machine.memory_mb) == ("vmid-a", 512)
        assert machine.boot_ms > 0

        assert await said(bash(machine, 'printf %s "$WORDS$N"')) == "".join(env.values())
        code = "import os; print(os.environ['WORDS'] + os.environ['N'], os.getcwd())"
        assert await said(python(machine, code)) == "".join(env.values()) + " /workspace"
        assert await said(python(machine, "x = os.getuid()")) == ""
        assert await said(python(machine, "print(x)")) == "1000"
        assert await said(bash(machine, "nproc; ls -A /workspace; ls /sys/class/net")) == "2\nlo"

        failed = await bash(machine, "echo out; echo err >&2; exit 7")
        assert (failed.exit_code, failed.stdout, failed.stderr) == (7, b"out\n", b"err\n")

        body = bytes(range(256)) * 4096
        assert await machine.put("deep/er/file", chunks(body[:1000], body[1000:])) == len(body)
        assert b"".join([part async for part in machine.get("deep/er/file", 1 << 21)]) == body
        with pytest.raises(GuestRefused):
            _ = [part async for part in machine.get("deep/er/file", 1000)]
        with pytest.raises(GuestRefused):
            _ = [part async for part in machine.get("nowhere", 1000)]

        assert 440 <= await total_mb(machine) <= 512
        assert await machine.resize(2048) == 2048
        assert 1900 <= await total_mb(machine) <= 2048
        assert await machine.resize(256) == 2048
        touched = "b = bytearray(1 << 30); b[::4096] = b[::4096]; print(len(b))"
        assert await said(python(machine, touched)) == str(1 << 30)

        await machine.stop()
        assert (await machine.ended()).reason == "requested"
        with pytest.raises(MachineFailed):
            await bash(machine, "true")


async def total_mb(machine):
    """How much memory the guest says it has."""
    return int(await said(bash(machine, "awk '/MemTotal/ {print $2}' /proc/meminfo"))) // 1024


async def test_two_machines_share_no_chance_no_disk_and_the_time_is_right(tmp_path):
    async with machines(tmp_path) as qemu:
        both = await asyncio.gather(start(qemu, "one"), start(qemu, "two"))
        code = "import os, random, uuid; print(os.urandom(8).hex(), uuid.uuid4(), random.random())"
        draws = [(await said(python(machine, code))).split() for machine in both]
        for one, two in zip(*draws, strict=True):
            assert one != two
        kernel = "head -c8 /dev/urandom | od -An -tx1"
        assert await said(bash(both[0], kernel)) != await said(bash(both[1], kernel))
        for machine in both:
            before = time.time()
            there = float(await said(python(machine, "import time; print(time.time())")))
            # The answer may take its time: it was then between the two.
            assert before - 2 < there < time.time() + 2
        await said(bash(both[0], "echo mine >secret; sync"))
        assert await said(bash(both[1], "ls -A")) == ""


async def test_a_user_is_no_root_and_has_no_network(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        assert await said(bash(machine, "id -u; echo $HOME")) == "1000\n/workspace"
        for forbidden in (
            "echo 1 >/proc/sysrq-trigger",
            "kill -9 1",
            "cat /dev/vda",
            "touch /etc/x",
        ):
            assert (await bash(machine, forbidden)).exit_code != 0
        alone = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
        assert b"ConnectionRefused" in (await python(machine, alone)).stderr
        outside = "socket.create_connection(('10.0.2.2', 80), 1)"
        assert b"unreachable" in (await python(machine, outside)).stderr


async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path):
    async with machines(tmp_path) as qemu:
        await qemu.prepare(1)
        traces = Traces(tmp_path)
        for after_s in (0.0, 0.003, 0.006, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
            starting = asyncio.create_task(start(qemu))
            await asyncio.sleep(after_s)
            if starting.cancel():
                await asyncio.wait({starting})
                assert starting.cancelled()
            else:
                await (await starting).stop()
            await traces.gone()


async def test_closing_ends_machines_and_starts(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        running = asyncio.create_task(bash(machine, "sleep 100"))
        spawned = asyncio.Event()
        wanted = Wanted(id="vmid-two", vcpu_count=1, memory_mb=128)
        starting = asyncio.create_task(qemu.start(wanted, lambda _: spawned.set()))
        # Its process runs by then, and it cannot answer yet.
        await spawned.wait()
        await qemu.close()
        with pytest.raises(MachineFailed):
            await running
        with pytest.raises(MachineFailed):
            await starting
        assert (await machine.ended()).reason == "requested"
        with pytest.raises(MachineFailed):
            await start(qemu, "three")


def start_telling(qemu, spawned):
    """The start of a machine, which tells when its process runs."""
    wanted = Wanted(id="vmid-one", vcpu_count=1, memory_mb=128)
    return asyncio.create_task(qemu.start(wanted, lambda _: spawned.set()))


@pytest.mark.parametrize("closed", [False, True])
async def test_a_start_that_is_cancelled_and_then_again_leaves_nothing(tmp_path, closed):
    for turns, after_s in itertools.product((1, 3, 7, 15), (0.0, 0.02, 0.1)):
        async with machines(tmp_path) as qemu:
            before = asyncio.all_tasks()
            spawned = asyncio.Event()
            starting = start_telling(qemu, spawned)
            await spawned.wait()
            await asyncio.sleep(after_s)
            if not starting.cancel():
                continue  # it was faster
            for _ in range(turns):
                await asyncio.sleep(0)
            closing = asyncio.create_task(qemu.close() if closed else asyncio.sleep(0))
            if not closed:
                starting.cancel()
            await asyncio.wait({starting})
            assert Traces(tmp_path).processes() == []
            # Those that watch take a turn more to see that there is nothing any more.
            assert asyncio.all_tasks() - {closing, *qemu._watching} == before
            await closing


async def test_a_machine_has_a_number_of_processors_that_there_is_a_template_for(tmp_path):
    async with machines(tmp_path) as qemu:
        with pytest.raises(MachineFailed, match="1, 2, 4, 6 or 8"):
            await start(qemu, vcpu_count=3)
