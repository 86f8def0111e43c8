"""What a machine's process is shut into, and that it dies with the service (docs/security.md)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.isolation import find_isolation
from tests.support.process import ROOT, eventually
from tests.support.vm import Traces, bash, machines, needs_qemu, said, start

pytestmark = pytest.mark.slow(reason="boots machines")

DIES_S_MAX = 60.0
SERVICE = """
import asyncio, sys
from pathlib import Path
from tests.support.vm import CACHE, bash, start
from sessions.runtimes.vm.runtime import Qemu

async def main():
    qemu = Qemu(Path(sys.argv[1]), CACHE)
    machine = await start(qemu)
    print("ready", flush=True)
    if sys.argv[2] == "keep":
        while True:
            await machine.keep("copy")
    await bash(machine, "sleep 600", 600)

asyncio.run(main())
"""


def status(pid):
    """What the kernel says about a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def namespace(pid, kind):
    """Which one it is in."""
    return Path(f"/proc/{pid}/ns/{kind}").readlink()


async def described(qemu):
    """What is in force, as the doctor says it."""
    return (await find_isolation(tag_of(qemu.cache))).in_force


async def test_the_process_of_a_machine(tmp_path):
    async with machines(tmp_path) as qemu:
        both = [await start(qemu, "one"), await start(qemu, "two")]
        for machine in both:
            told = status(machine.pid)
            assert told["Name"] == ["qemu-system-x86"]
            assert (told["NoNewPrivs"], told["Seccomp"]) == (["1"], ["2"])
            limits = Path(f"/proc/{machine.pid}/limits").read_text()
            assert "Max core file size        0 " in limits
            assert "Max open files            256 " in limits
            targets = {fd.readlink() for fd in Path(f"/proc/{machine.pid}/fd").iterdir()}
            assert not [
                each
                for each in targets
                if str(each).startswith(str(tmp_path)) and not str(each).endswith("(deleted)")
            ]
            groups = Path(f"/proc/{machine.pid}/cgroup").read_text()
            if any("control groups" in words for words in await described(qemu)):
                assert groups.count(f"sessiond-{tag_of(tmp_path)}/") >= 1
        if os.geteuid() == 0:
            users = {tuple(status(machine.pid)["Uid"]) for machine in both}
            assert len(users) == 2
            for machine in both:
                told = status(machine.pid)
                assert len(set(told["Uid"] + told["Gid"])) == 1
                assert int(told["Uid"][0]) >= 200_000
                assert told["Groups"] == []
                assert int(told["CapEff"][0], 16) == 0
                for kind in ("net", "ipc", "mnt"):
                    assert namespace(machine.pid, kind) != namespace(os.getpid(), kind)


async def test_no_machine_can_alter_what_others_begin_with(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        held = [
            fd
            for fd in Path(f"/proc/{machine.pid}/fd").iterdir()
            if "template" in str(fd.readlink())
        ]
        assert held
        for fd in held:
            again = os.open(fd, os.O_RDWR)
            try:
                with pytest.raises(PermissionError):
                    os.pwrite(again, b"x", 4096)
                with pytest.raises(PermissionError):
                    os.ftruncate(again, 0)
            finally:
                os.close(again)
        await said(bash(machine, "echo mine >/tmp/file"))
        assert await said(bash(await start(qemu, "two"), "ls -A /tmp")) == ""


@pytest.mark.parametrize("doing", ["run", "keep"])
async def test_machines_die_with_a_service_that_is_killed(doing, tmp_path):
    needs_qemu()
    traces = Traces(tmp_path)
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path), doing],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert service.stdout is not None
    with service, service.stdout:
        # What it does until then it says too.
        assert any(line.endswith(b"ready\n") for line in service.stdout)
        assert len(traces.processes()) == 1
        service.send_signal(signal.SIGKILL)
        service.wait(DIES_S_MAX)
    await eventually(lambda: not traces.processes(), DIES_S_MAX, "the end of the machine")
    async with machines(tmp_path) as qemu:
        assert await qemu.open() == 0
        assert await qemu.kept() in ((), ("copy",))
        assert not list((tmp_path / "machines" / "kept").glob(".*"))
        machine = await start(qemu)
        assert await said(bash(machine, "echo on")) == "on"
