"""Whatever is wrong with the host: the answer says it, everything else works, nothing is left."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from sessions.runtimes.vm.acceleration import qemu_version
from sessions.runtimes.vm.argv import Shape, shape_key
from sessions.runtimes.vm.image import find_image
from sessions.runtimes.vm.programs import QEMU
from tests.support.machine_service import until
from tests.support.process import ADMIN_KEY
from tests.support.small_disk import small_disk
from tests.support.vm import cache
from tests.support.vm_host import SESSIONS, SMALL, P, hosting

pytestmark = pytest.mark.slow(reason="boots machines")

TEN = 10
FIFTY = 50


async def test_no_qemu(tmp_path):
    """Machines are refused with what to install; the rest of the service does not care."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("setpriv", "unshare", "nsenter", "apt-get"):
        if found := shutil.which(program):
            (bare / program).symlink_to(found)
    environ = {"PATH": f"{bare}:{Path(sys.executable).parent}"}
    assert shutil.which(QEMU, path=environ["PATH"]) is None
    async with hosting(tmp_path / "data", environ=environ) as host:
        words = f"no {QEMU}.*apt-get install qemu-system-x86"
        refused = await host.ask("POST", f"{P}/v1/vms", 503, json=SMALL)
        assert re.search(words, refused["detail"]), refused
        session = await host.session()
        refused = await host.run(session, "echo", status=503)
        assert re.search(words, refused["detail"]), refused
        assert (await host.status(session))[0] == "pending"
        hurried = await host.session({"A": "b"})
        await host.settled()
        assert await host.status(hurried) == ("failed", "runtime_unavailable")
        made = await host.ask("POST", SESSIONS, 201, json={"kind": "agent"})
        assert made["status"] == "pending"
        assert await host.vms(session) == []
        await host.clear()
        assert not host.traces.children()
        await host.service.stop()
        assert host.traces.gone() == []


async def test_a_template_that_is_damaged(tmp_path):
    """It is seen, and made anew; a service that has loaded it before does not notice."""
    own = tmp_path / "cache"
    async with hosting(tmp_path / "first") as host:  # all is there after this
        session = await host.session()
        await host.works(session)
        acceleration = (await host.vm(session))["acceleration"]
        await host.clear()
        await host.service.stop()
    image = find_image(cache())
    assert image is not None
    key = shape_key(Shape(acceleration=acceleration, vcpu_count=1), qemu_version(), image.key)
    folder = own / "templates" / key
    folder.mkdir(parents=True)
    (own / "images").symlink_to(cache() / "images")
    for path in (cache() / "templates" / key).glob("snap1.*"):
        shutil.copy(path, folder)
    state = folder / "snap1.state"
    whole = state.read_bytes()
    async with hosting(tmp_path / "data", "--vm-cache", str(own)) as host:
        session = await host.session()
        await host.works(session)
        state.write_bytes(whole[: len(whole) // 2])
        await host.works(await host.session())
        await host.clear()
        await host.service.stop()
        assert "cannot be used" not in host.service.stderr
    async with hosting(tmp_path / "data", "--vm-cache", str(own)) as host:
        await host.works(await host.session())
        await host.clear()
        await host.service.stop()
        assert re.search("the template with 1 vCPU cannot be used: .*damaged", host.service.stderr)
        assert host.traces.gone() == []
    assert state.stat().st_size > len(whole) // 2
    assert not [path for path in folder.iterdir() if path.name.endswith(".new")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_template_whose_making_is_cut_off(tmp_path, number):
    """Nothing of it is left, neither a machine nor a part of a template."""
    own = tmp_path / "cache"
    own.mkdir()
    (own / "images").symlink_to(cache() / "images")
    async with hosting(tmp_path / "data", "--vm-cache", str(own)) as host:
        waiting = asyncio.create_task(host.run(await host.session(), "echo", status=503))
        await until(lambda: "template-1" in host.traces.machines(), 120)
        host.service.send(number)
        assert await host.service.exited() == (0 if number == signal.SIGTERM else -number)
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await waiting
        await until(lambda: not host.traces.machines())
        assert not [path for path in own.glob("templates/*/*") if path.name != ".lock"]
        if number == signal.SIGTERM:
            assert host.traces.gone() == []
    async with hosting(tmp_path / "data", "--vm-cache", str(own)) as host:
        await host.clear()
        await host.service.stop()
        assert host.traces.gone() == []


async def test_no_memory_left(tmp_path):
    """Who does not fit waits, visibly; who never fits is told, and who is one too many."""
    async with hosting(tmp_path / "data", "--vm-memory-mb", "256", "--vm-queue", "1") as host:
        never = await host.session(memory_mb=512)
        refused = await host.run(never, "echo", status=409)
        assert "256 MB" in str(refused["detail"]), refused
        first, second, third, fourth = [await host.session() for _ in range(4)]
        await asyncio.gather(host.works(first), host.works(second))
        waiting = asyncio.create_task(host.works(third))
        await until(lambda: host.vms(third))
        await host.settled()
        assert (await host.status(third))[0] == "queued"
        assert (await host.vm(third))["queue_position"] == 1
        await host.run(fourth, "echo", status=429)
        assert (await host.status(fourth))[0] == "pending"
        grow = await host.vm(first)
        await host.ask("PATCH", f"{P}/v1/vms/{grow['id']}", 429, json={"memory_mb": 256})
        await host.ask("POST", f"{P}/kill", json={"session_id": first})
        await waiting
        await host.clear()
        await host.service.stop()
        assert host.traces.gone() == []


async def wished(host, env):
    """The answer to the wish for a session with a machine."""
    given = {"api_key": ADMIN_KEY, **SMALL, "env": env}
    return await host.ask("POST", f"{P}/v1/sessions/session", None, json=given)


async def test_fifty_at_once(tmp_path):
    """As many as may run do, the others wait in their order, and all of them can be ended."""
    options = ("--vm-count", "4", "--vm-queue", "40")
    async with hosting(tmp_path / "data", *options) as host:
        answers = await asyncio.gather(*[wished(host, {"N": str(n)}) for n in range(FIFTY)])
        made = [answer["session_id"] for answer in answers if "session_id" in answer]
        late = [answer["detail"] for answer in answers if "session_id" not in answer]
        # Who comes when all places are taken already is not even given a session.
        assert set(late) <= {"40 machines wait already; try again later."}
        await host.settled()
        found = [(await host.status(session))[0] for session in made]
        assert found.count("running") == 4
        # Only as many as there are processors start at a time, so the first ones wait too, unless
        # they have started by the time that the last ones come.
        starting = min(4, len(os.sched_getaffinity(0)))
        assert 40 - (4 - starting) <= found.count("queued") <= 40
        assert found.count("failed") + len(late) == FIFTY - 4 - found.count("queued")
        for session in [one for one, how in zip(made, found, strict=True) if how == "failed"]:
            assert await host.status(session) == ("failed", "capacity")
        vms = [vm for vm in await host.all("/api/v1/vms") if vm["queue_position"]]
        assert sorted(vm["queue_position"] for vm in vms) == list(range(1, 1 + len(vms)))
        running = made[found.index("running")]
        waiting = min(vms, key=lambda vm: vm["queue_position"])
        await host.ask("POST", f"{P}/kill", json={"session_id": running})
        done = await host.run(waiting["session"], "echo $N")
        of_each = [answer.get("session_id") for answer in answers]
        assert int(done["stdout"]) == of_each.index(waiting["session"])
        await host.clear()
        assert len(host.traces.machines()) == 0
        await host.service.stop()
        assert host.traces.gone() == []


async def test_sigterm_with_ten_machines(tmp_path):
    """Exit code 0, at once, and the log says of every machine how it ended."""
    folder = tmp_path / "data"
    async with hosting(folder, "--vm-count", str(TEN)) as host:
        sessions = [await host.session({"N": str(n)}) for n in range(TEN)]
        await host.settled()
        assert len(host.traces.machines()) == TEN
        running = asyncio.create_task(host.run(sessions[0], "sleep 100", status=None))
        await host.executing(sessions[0])
        took = await host.service.stop()
        print(f"it took {took:.2f} s")
        assert host.traces.gone() == []
        await asyncio.wait({running})
        running.exception()
    async with hosting(folder) as host:
        await host.settled()
        for session in sessions:
            (vm,) = await host.vms(session)
            assert (vm["status"], vm["reason"]) == ("stopped", "service_restart")
            assert await host.status(session) == ("paused", "service_restart")
        assert (await host.run(sessions[0], "echo $N"))["stdout"] == "0\n"
        await host.clear()
        await host.service.stop()
        assert host.traces.gone() == []


async def test_a_disk_of_the_host_that_is_full(tmp_path):
    """What cannot be kept is refused in words, and the machine goes on."""
    with small_disk(tmp_path / "disk", "512m") as disk:
        folder = disk.folder / "data"
        async with hosting(folder, wrapper=disk.wrapper) as host:
            session = await host.session()
            await host.works(session)
            vm = await host.vm(session)
            disk.fill(leave=4 << 20)
            for act in ("suspend", "snapshot"):
                refused = await host.ask("POST", f"{P}/v1/vms/{vm['id']}/{act}", 503, json={})
                assert "cannot be" in refused["detail"] or "could not" in refused["detail"]
                await host.works(session)
            disk.relieve()
            await host.ask("POST", f"{P}/v1/vms/{vm['id']}/suspend")
            await host.works(session)
            assert (await host.vm(session))["goes_on"] == vm["id"]
            await host.clear()
            await host.service.stop()


async def test_a_machine_that_fills_the_disk_of_the_host(tmp_path):
    """Even the log has no room then: what happened is told as soon as there is some."""
    with small_disk(tmp_path / "disk", "512m") as disk:
        async with hosting(disk.folder / "data", wrapper=disk.wrapper) as host:
            session, other = await host.session(), await host.session()
            await asyncio.gather(host.works(session), host.works(other))
            disk.fill(leave=8 << 20)
            done = await host.run(session, "head -c 64000000 /dev/zero >big; sync")
            assert (done["exit_code"], done["timed_out"]) == (137, False), done
            assert "the disk of the host failed: No space left" in done["stderr"], done
            disk.relieve()
            await host.settled()
            (vm,) = await host.vms(session)
            assert (vm["status"], vm["reason"]) == ("lost", "runtime_lost")
            assert "No space left on device" in vm["detail"]
            await host.works(session)
            await host.works(other)
            assert len(await host.vms(other)) == 1
            await host.clear()
            await host.service.stop()
