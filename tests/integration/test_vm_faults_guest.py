"""Whatever happens in a machine: the answer says it, the session goes on, and nothing is left.

All of it through HTTP, with one service for all tests.
"""

import asyncio
import io
import re
import signal
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support.vm_host import P, hosting

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.slow(reason="boots machines and ends them in every way"),
]

AGENT = "$(grep -la 'agent[.]py' /proc/[0-9]*/cmdline | cut -d/ -f3)"
FILL = """
import os
fd, at = os.open("all", os.O_CREAT | os.O_RDWR), 0
try:
    while True:
        os.posix_fallocate(fd, at, 1 << 24)
        at += 1 << 24
except OSError as error:
    print(error.strerror, at >> 20)
os.close(fd)
while os.path.exists("all"):
    open("more", "ab").write(bytes(1 << 16))
"""
SLEEPERS = r"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q 'sleep [0-9]'"
OUTPUT = 200_000_000
OUTPUT_MAX = 4 << 20
# What the service may grow by for all outputs that it holds, and for what it reads ahead.
GROWN_MAX = 128 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "data"
    async with hosting(folder, rooted=True) as host:
        await host.works(await host.session())
        await host.clear()
        yield host
        await host.service.stop()
        assert host.traces.gone() == []


@pytest_asyncio.fixture(loop_scope="module")
async def host(service):
    yield service
    await service.clear()


async def check_ended(host, session, status, reason, words):
    """The machine ended so, the session rests, and has another machine when it is asked to."""
    await host.settled()
    vm = await host.vm(session)
    assert (vm["status"], vm["reason"]) == (status, reason), vm
    # A machine that stopped as it should has no more to say.
    assert re.search(words, vm["detail"]) or status == "stopped", vm
    assert await host.status(session) == ("paused", reason)
    await host.works(session)
    assert (await host.vm(session))["generation"] == vm["generation"] + 1


def check_cut_off(done, words):
    """The program did not come to its end, and the answer says why."""
    assert (done["exit_code"], done["timed_out"]) == (137, False), done
    assert re.search(words, done["stderr"]), done


async def test_a_qemu_that_is_killed(host):
    session = await host.session({"A": "b c"})
    await host.works(session)
    running = asyncio.create_task(host.run(session, "sleep 100"))
    await host.executing(session)
    await host.signal(session, signal.SIGKILL)
    check_cut_off(await running, "SIGKILL")
    await check_ended(host, session, "lost", "runtime_lost", "SIGKILL")
    assert (await host.run(session, "echo $A"))["stdout"] == "b c\n"


async def test_a_qemu_and_an_agent_that_stand_still(host):
    qemu, agent = await host.session(), await host.session()
    await asyncio.gather(host.works(qemu), host.works(agent))
    running = asyncio.create_task(host.run(qemu, "sleep 100"))
    await host.executing(qemu)
    await host.signal(qemu, signal.SIGSTOP)
    frozen = await host.as_root(agent, f"kill -STOP {AGENT}")
    check_cut_off(frozen, "no longer answered")
    check_cut_off(await running, "no longer answered")
    await check_ended(host, qemu, "lost", "runtime_lost", "no longer answered")
    await check_ended(host, agent, "lost", "runtime_lost", "no longer answered")


@pytest.mark.parametrize(
    ("act", "status", "reason", "words"),
    [
        ("echo c >/proc/sysrq-trigger", "lost", "runtime_failed", "a panic"),
        (f"kill -9 {AGENT}", "lost", "runtime_failed", "the end of its agent"),
        ("busybox reboot -f", "lost", "runtime_failed", "gave up"),
        ("busybox poweroff -f", "stopped", "finished", "powered itself off"),
    ],
    ids=["panic", "agent", "reboot", "power-off"],
)
async def test_a_guest_that_ends(host, act, status, reason, words):
    session = await host.session()
    check_cut_off(await host.as_root(session, act), words)
    await check_ended(host, session, status, reason, words)


async def test_a_fork_bomb(host):
    session = await host.session()
    await host.works(session)
    done = await host.run(session, "b() { b | b & }; b; sleep 100", timeout=3)
    assert done["timed_out"] or done["exit_code"] == 137
    # What it has left to be ended may be in the way of others for a while, and they are told so.
    for _ in range(20):
        if (await host.run(session, "echo on"))["exit_code"] == 0:
            break
    await host.works(session)


async def test_memory_that_is_filled(host):
    session = await host.session()
    done = await host.run(session, "x = 1\nb = bytearray(1 << 30)", "python")
    assert done["exit_code"] == 1
    assert "MemoryError" in done["stderr"]
    greedy = "b = []\nwhile True: b.append(bytearray(1 << 20))"
    done = await host.run(session, greedy, "python")
    assert done["exit_code"] not in (0, None)
    assert re.search("MemoryError|variables are lost", done["stderr"]), done
    await host.works(session)
    # All of the memory as files, by root, whom no limit holds.
    await host.as_root(session, "mount -t tmpfs -o size=10g all /mnt; cat /dev/zero >/mnt/all", 5)
    await host.works(session)


async def test_a_disk_that_is_filled(host):
    session = await host.session()
    done = await host.run(session, FILL, "python")
    assert re.match(r"No space left on device (19|20)\d\d", done["stdout"]), done
    assert "No space left" in done["stderr"], done
    body = {"session_id": session, "remote_path": "/workspace/file"}
    refused = await host.ask("POST", f"{P}/upload", 400, data=form(body))
    assert "no space left" in str(refused["detail"]).lower(), refused
    assert (await host.run(session, "rm all more; ls -A"))["stdout"] == ""
    await host.ask("POST", f"{P}/upload", data=form(body))
    assert (await host.run(session, "ls -A"))["stdout"] == "file\n"


def form(fields):
    """An upload of 100 kB."""
    made = aiohttp.FormData(fields)
    made.add_field("file", io.BytesIO(b"x" * 100_000), filename="file")
    return made


@pytest.mark.parametrize("language", ["bash", "python"])
async def test_a_program_that_takes_too_long(host, language):
    session = await host.session()
    await host.run(session, "x = 1", "python")
    programs = {
        "bash": "sleep 1000 & setsid sleep 2000 & sleep 3000",
        "python": "import subprocess\nsubprocess.run('sleep 1000 & sleep 3000', shell=True)",
    }
    done = await host.run(session, programs[language], language, timeout=1)
    assert (done["timed_out"], done["exit_code"]) == (True, 124)
    # What was killed may take a moment to be gone.
    left = await host.run(session, f"while {SLEEPERS}; do sleep .1; done", timeout=200)
    assert (left["exit_code"], left["timed_out"]) == (0, False), left
    done = await host.run(session, "print(x)", "python")
    if language == "python":
        assert "NameError" in done["stderr"], done
    else:
        assert done["stdout"] == "1\n", done


async def test_more_output_than_anybody_wants(host):
    session = await host.session()
    await host.works(session)
    before = resident(host)
    done = await host.run(session, f"head -c {OUTPUT} /dev/zero", timeout=300)
    assert done["exit_code"] == 0
    assert re.search(f"cut off after {OUTPUT_MAX} of {OUTPUT} bytes", done["stderr"]), done[
        "stderr"
    ]
    assert (done["truncated"], done["stdout_bytes"]) == (True, OUTPUT)
    assert 0 < len(done["stdout"]) <= OUTPUT_MAX
    assert set(done["stdout"]) == {"\0"}
    assert resident(host) - before < GROWN_MAX
    (vm,) = await host.vms(session)
    assert (vm["status"], vm["executing"]) == ("running", 0)
    await host.works(session)


def resident(host):
    """The memory of the service, in bytes."""
    status = Path(f"/proc/{host.service.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) << 10
