"""However a machine ends, it is noticed, told why, and nothing of it is left."""

import asyncio
import contextlib
import gzip
import os
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from sessions.runtimes.vm import channel
from sessions.runtimes.vm.argv import BASE_MB, Shape
from sessions.runtimes.vm.endings import ending_of
from sessions.runtimes.vm.engine import Engine, Files, memory_of_template
from sessions.runtimes.vm.image import build_image
from sessions.runtimes.vm.isolation import find_isolation
from sessions.runtimes.vm.machine import Patience
from sessions.runtimes.vm.memory_files import memory_file
from sessions.runtimes.vm.port import GuestRefused, MachineFailed, RuntimeUnavailable
from tests.support.vm import CACHE, QUICK, Traces, bash, machines, needs_qemu, python, said, start

pytestmark = pytest.mark.slow(reason="boots machines")


async def test_a_killed_qemu(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        running = asyncio.create_task(bash(machine, "sleep 100"))
        await asyncio.sleep(0.2)
        os.kill(machine.pid, signal.SIGKILL)
        ending = await machine.ended()
        assert (ending.reason, ending.exit_code) == ("runtime_lost", -signal.SIGKILL)
        assert "SIGKILL" in ending.detail
        with pytest.raises(MachineFailed, match="SIGKILL"):
            await running
        await machine.stop()
        assert await machine.ended() == ending


async def test_a_killed_qemu_whose_end_is_seen_late(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        process, loop = machine._engine.process, asyncio.get_running_loop()
        loop.remove_reader(process._pidfd)
        loop.call_later(2.0, loop.add_reader, process._pidfd, process._reap)
        os.kill(machine.pid, signal.SIGKILL)
        with pytest.raises(MachineFailed, match="SIGKILL"):
            await bash(machine, "true")
        assert (await machine.ended()).exit_code == -signal.SIGKILL


@pytest.mark.parametrize("step", ["resize", "keep", "suspend", "put", "setenv"])
async def test_a_qemu_that_is_killed_while_it_is_asked(step, tmp_path):
    async def endless():
        while True:
            yield b"x" * 65_536
            await asyncio.sleep(0)

    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        asked = {
            "resize": lambda: machine.resize(4096),
            "keep": lambda: machine.keep("copy"),
            "suspend": lambda: machine.suspend("copy"),
            "put": lambda: machine.put("file", endless()),
            "setenv": lambda: machine.setenv({"A": "b"}),
        }
        os.kill(machine.pid, signal.SIGSTOP)  # so that it cannot be done before
        asking = asyncio.create_task(asked[step]())
        await asyncio.sleep(0.05)
        os.kill(machine.pid, signal.SIGKILL)
        with pytest.raises(MachineFailed):
            await asking
        assert (await machine.ended()).reason == "runtime_lost"
        assert not qemu.keeps("copy")


async def test_a_qemu_that_stands_still(tmp_path):
    async with machines(tmp_path, patience=QUICK) as qemu:
        machine = await start(qemu)
        running = asyncio.create_task(bash(machine, "sleep 100"))
        await asyncio.sleep(0.2)
        os.kill(machine.pid, signal.SIGSTOP)
        ending = await machine.ended()
        assert (ending.reason, ending.detail) == ("runtime_lost", "the machine no longer answered")
        with pytest.raises(MachineFailed, match="no longer answered"):
            await running


async def test_a_qemu_that_stands_still_is_stopped_at_once(tmp_path):
    # That it says nothing is not noticed before the end of the test.
    async with machines(tmp_path, patience=Patience(ping_every_s=3600)) as qemu:
        machine = await start(qemu)
        os.kill(machine.pid, signal.SIGSTOP)
        async with asyncio.timeout(120):
            await machine.stop()


async def test_an_agent_that_gives_up(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        machine._channel._line._writer.write(b"\xff" * 64)
        ending = await machine.ended()
        assert ending.reason in ("runtime_failed", "runtime_lost")
        assert "agent" in ending.detail


@pytest.mark.parametrize(
    ("last_act", "said_by_qemu", "reason"),
    [
        ("echo c >/proc/sysrq-trigger", "guest-reset", "runtime_failed"),
        ("exit 1", "guest-reset", "runtime_failed"),
        ("busybox poweroff -f", "guest-shutdown", "finished"),
        ("busybox reboot -f", "guest-reset", "runtime_failed"),
    ],
)
async def test_a_guest_that_ends_by_itself(last_act, said_by_qemu, reason, tmp_path):
    needs_qemu()
    traces = Traces(tmp_path)
    image = await build_image(CACHE, print)
    initrd = tmp_path / "initrd"
    script = f"#!/bin/busybox sh\nbusybox mount -t proc proc /proc\n{last_act}\n"
    # Of two archives after each other the kernel takes both, and the later file.
    initrd.write_bytes(image.initrd.read_bytes() + gzip.compress(one_file("init", script)))
    files = Files(kernel=image.vmlinuz, initrd=initrd, root=image.root)
    isolation = await find_isolation("test")
    cell = isolation.cell()
    assert cell is not None
    memory = memory_file("test", BASE_MB << 20)
    shape = Shape(acceleration="tcg", vcpu_count=1)
    with (tmp_path / "disk").open("wb+") as disk:
        disk.truncate(1 << 20)
        initrd.chmod(0o644)
        engine = Engine(
            "test", shape, files, memory_of_template(memory), disk.fileno(), cell, incoming=False
        )
        await engine.connect()
        with pytest.raises(MachineFailed, match="exit code 0"):
            await engine.process.unless_dead(asyncio.Event().wait(), 240, "the boot")
        code = await engine.close()
    os.close(memory)
    await isolation.groups.remove()
    assert engine.control.said == said_by_qemu
    assert ending_of(code, engine.control.said, engine.process.last_words).reason == reason
    await traces.gone()


def one_file(name: str, content: str) -> bytes:
    """An archive as the kernel takes it, with one executable."""
    archive = bytearray()
    for number, (path, body, mode) in enumerate([(name, content, 0o100755), ("TRAILER!!!", "", 0)]):
        fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(path) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + path.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + body.encode()
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


async def test_a_fork_bomb_ends_with_its_program_or_with_its_machine(tmp_path, monkeypatch):
    # It shares the processors of a busy host, and is the last of all to have them.
    monkeypatch.setattr(channel, "_MARGIN_S", 200.0)
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        bomb = "b() { b | b & }; b; sleep 100"
        try:
            outcome = await bash(machine, bomb, timeout_s=3)
            # It may also have been ended for the memory that it took.
            assert outcome.timed_out or outcome.exit_code == 137, outcome
            for _ in range(20):
                # What is left to be ended may be in the way of others for a while.
                with contextlib.suppress(GuestRefused):
                    if (await bash(machine, "echo on", 5.0)).exit_code == 0:
                        break
            assert (await bash(machine, "echo on")).stdout == b"on\n"
        except MachineFailed:
            assert (await machine.ended()).reason == "runtime_lost"


async def test_memory_and_disk_that_are_filled(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        assert b"MemoryError" in (await python(machine, "b = bytearray(1 << 30)")).stderr
        grown = await python(machine, "b = []\nwhile True: b.append(bytearray(1 << 20))", 30)
        assert grown.exit_code != 0
        full = await bash(machine, "fallocate -l 3000000000 all", timeout_s=300)
        assert b"No space left" in full.stderr
        assert await said(bash(machine, "rm all; echo on")) == "on"


async def test_a_template_that_is_damaged_between_two_services(tmp_path):
    async with machines(tmp_path / "first") as qemu:
        await (await start(qemu)).stop()
        assert qemu._ground is not None
        image = qemu._ground.image
        key = qemu._ground.templates.key_of(image.key, qemu._ground.shape(1))
    shutil.copytree(image.folder, tmp_path / "cache" / "images" / image.key)
    place = tmp_path / "cache" / "templates" / key
    shutil.copytree(CACHE / "templates" / key, place, ignore=shutil.ignore_patterns("snap[!1].*"))
    with (place / "snap1.mem").open("rb+") as file:
        file.seek(20 << 20)
        file.write(os.urandom(1 << 20))
    said_so: list[str] = []
    for service in range(2):
        data = tmp_path / str(service)
        async with machines(data, cache=tmp_path / "cache", progress=said_so.append) as qemu:
            assert await said(bash(await start(qemu), "echo on")) == "on"
    assert [words for words in said_so if "cannot be used: mem is damaged" in words]
    assert len([words for words in said_so if "building the template" in words]) == 1


async def test_a_cache_that_is_emptied_under_a_running_service(tmp_path):
    needs_qemu()
    image = await build_image(CACHE, print)
    place = tmp_path / "cache" / "images" / image.key
    shutil.copytree(image.folder, place)
    # To build a template takes long on a busy host, and is not what this is about.
    if (CACHE / "templates").exists():
        there = tmp_path / "cache" / "templates"
        shutil.copytree(CACHE / "templates", there, copy_function=os.symlink)
    async with machines(tmp_path / "data", cache=tmp_path / "cache") as qemu:
        first = await start(qemu)
        shutil.rmtree(tmp_path / "cache")
        assert await said(bash(first, "python3 -c 'import json; print(json.dumps([]))'")) == "[]"
        shutil.copytree(image.folder, place)
        assert await said(bash(await start(qemu, "two"), "echo on")) == "on"


@contextlib.contextmanager
def descriptors_left(count):
    """This process can open so many files more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as taken:
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        spare = contextlib.ExitStack()
        with contextlib.suppress(OSError):
            for number in range(256):
                fd = os.dup(0)
                (spare if number < count else taken).callback(os.close, fd)
        spare.close()
        yield


async def test_a_service_that_has_no_descriptor_left(tmp_path):
    async with machines(tmp_path) as qemu:
        await (await start(qemu)).stop()
        traces = Traces(tmp_path)
        started = 0
        for spare in range(0, 24, 2):
            with descriptors_left(spare):
                try:
                    machine = await start(qemu)
                except (MachineFailed, RuntimeUnavailable):
                    continue
                await machine.stop()
                started += 1
            await traces.gone()
        await traces.gone()
        assert 0 < started < 12


async def test_a_qemu_that_is_not_one(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)  # where every user comes, unlike `tmp_path`
        place.chmod(0o755)
        pretender = place / "qemu-system-x86_64"
        pretender.write_text("#!/bin/sh\necho no such machine >&2\nexit 3\n")
        pretender.chmod(0o755)
        async with machines(tmp_path) as qemu:
            await qemu.prepare(1)
            monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
            with pytest.raises(MachineFailed, match="exit code 3: no such machine"):
                await start(qemu)
            monkeypatch.undo()
            assert await said(bash(await start(qemu), "echo on")) == "on"
