"""Machines that are kept, cloned, suspended and gone on from."""

import asyncio
import os
import threading
import time

import pytest

from sessions.runtimes.vm.kept import Keeping
from sessions.runtimes.vm.port import MachineFailed
from tests.support.vm import bash, machines, python, said, start

pytestmark = pytest.mark.slow(reason="boots machines")

WAIT_S = 60


async def test_a_copy_of_a_running_machine_and_its_clones(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=512, env={"A": "1"})
        await said(python(machine, "x = 42"))
        await said(bash(machine, "echo before >file"))
        running = asyncio.create_task(bash(machine, "sleep 2; echo done"))
        await asyncio.sleep(0.2)
        size = await machine.keep("copy")
        assert size > 1 << 20
        assert qemu.keeps("copy")
        assert await qemu.kept() == ("copy",)
        assert (await running).stdout == b"done\n"
        await said(bash(machine, "echo after >file"))

        both = [
            await start(qemu, name, memory_mb=768, kept="copy", env={"B": name})
            for name in ("two", "three")
        ]
        draws = set()
        for clone in both:
            assert clone.memory_mb == 768
            assert await said(bash(clone, "cat file; echo $A")) == "before\n1"
            code = "import os, time; print(x, os.environ['B'], os.urandom(8).hex(), time.time())"
            asked = time.time()
            x, name, drawn, now = (await said(python(clone, code))).split()
            assert (x, f"vmid-{name}") == ("42", clone.id)
            # The answer may take its time: it was then between the two.
            assert asked - 2 < float(now) < time.time() + 2
            draws.add(drawn)
            draws.add(await said(bash(clone, "head -c8 /dev/urandom | od -An -tx1")))
        assert len(draws) == 4
        await said(bash(both[0], "echo mine >file"))
        assert await said(bash(both[1], "cat file")) == "before"
        assert await said(bash(machine, "cat file")) == "after"

        await qemu.forget("copy")
        assert not qemu.keeps("copy")
        assert await qemu.kept() == ()
        await qemu.forget("copy")
        with pytest.raises(MachineFailed, match="no machine is kept as copy"):
            await start(qemu, "four", kept="copy")


async def test_a_suspended_machine_goes_on_in_another_service(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=512)
        await said(python(machine, "x = 'there'"))
        await said(bash(machine, "sleep 1000 >/dev/null 2>&1 & echo $! >pid"))
        await machine.suspend("later")
        ending = await machine.ended()
        assert (ending.reason, ending.detail) == ("requested", "the machine was suspended")
        assert qemu.keeps("later")
    async with machines(tmp_path) as qemu:
        assert await qemu.kept() == ("later",)
        machine = await start(qemu, "two", memory_mb=1024, kept="later")
        assert await said(python(machine, "print(x)")) == "there"
        assert await said(bash(machine, "kill -0 $(cat pid) && echo lives")) == "lives"
        assert await machine.suspend("later") > 0
        machine = await start(qemu, "three", memory_mb=512, kept="later")
        assert machine.memory_mb == 1024
        assert await said(python(machine, "print(x)")) == "there"


async def test_a_damaged_copy_is_refused_with_a_clear_word(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        await machine.suspend("copy")
        for part in ("state", "scratch", "manifest.json"):
            path = tmp_path / "machines" / "kept" / "copy" / part
            with path.open("rb+") as file:
                file.seek(path.stat().st_size // 2)
                there = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([there[0] ^ 1]))
                file.flush()
                with pytest.raises(MachineFailed, match=r"kept as copy is damaged"):
                    await start(qemu, "two", kept="copy")
                file.seek(-1, os.SEEK_CUR)
                file.write(there)
            path.rename(tmp_path / "aside")
            with pytest.raises(MachineFailed, match=r"damaged|no machine is kept as copy"):
                await start(qemu, "two", kept="copy")
            (tmp_path / "aside").rename(path)
        assert await said(bash(await start(qemu, "two", kept="copy"), "echo on")) == "on"


async def test_what_does_not_fit_a_copy_is_refused(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        await machine.keep("copy")
        with pytest.raises(MachineFailed, match="has 1 vCPU"):
            await start(qemu, "two", kept="copy", vcpu_count=2)
        for name in ("", "../copy", ".", "a/b", "x" * 200):
            with pytest.raises(MachineFailed):
                await machine.keep(name)
            assert not qemu.keeps(name)
            await qemu.forget(name)
        assert await said(bash(machine, "echo on")) == "on"
        assert await machine.keep("copy") > 0


async def test_a_disk_without_room_leaves_the_machine_as_it_was(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        (tmp_path / "machines" / "kept").write_text("not a folder")
        for keeping in (machine.keep, machine.suspend):
            with pytest.raises(MachineFailed, match="cannot be kept"):
                await keeping("copy")
            assert await said(bash(machine, "echo on")) == "on"


async def test_closing_waits_for_a_machine_that_is_being_kept(tmp_path, monkeypatch):
    copies, go = threading.Event(), threading.Event()
    copy = Keeping.copy_scratch

    def slowly(keeping, source):
        copies.set()
        assert go.wait(WAIT_S)
        return copy(keeping, source)

    monkeypatch.setattr(Keeping, "copy_scratch", slowly)
    async with machines(tmp_path) as qemu:
        before = asyncio.all_tasks()
        machine = await start(qemu)
        keeping = asyncio.create_task(machine.keep("copy"))
        assert await asyncio.to_thread(copies.wait, WAIT_S)
        keeping.cancel()
        closing = asyncio.create_task(qemu.close())
        await machine.ended()
        asyncio.get_running_loop().call_later(0.1, go.set)
        await closing
        assert go.is_set()
        # Those that watch take a turn more to see that there is nothing any more.
        assert asyncio.all_tasks() - qemu._watching == before
        assert list(tmp_path.glob("machines/kept/.*")) == []
