"""kill -9 of the service at each named step of what it does with machines.

Machines die with it. The service that comes after it accounts for each of them, and every session
goes on. One life follows the other on the same folder: what one leaves behind the next ones show.
"""

import asyncio
import contextlib
import signal

import aiohttp
import pytest

from tests.support.dying import MACHINES, last_words
from tests.support.process import EXIT_S_MAX, eventually
from tests.support.vm_host import P, hosting

pytestmark = pytest.mark.slow(reason="kills the service at 29 steps, each with a machine")

DEATH_S_MAX = 180.0
WORDS = "echo here >file; echo on; sleep 0.5; echo off"
# How the newest machine of the session is after the restart; else it is lost by the restart.
AFTER = {
    "spawn: about to be requested": None,
    "suspend: told, session does not know": ("suspended", "requested"),
    "stop: told, not answered": ("stopped", "requested"),
}
# After these there is a machine that stands still, and the session goes on from it.
STANDING = (
    "suspend: told, session does not know",
    "resume: read from the disk",
    "resume: awake, not told",
)


class Life:
    """The session that all lives are about, and what the service has promised of it."""

    def __init__(self):
        self.session = ""
        self.task = ""


async def spawn(host, life):
    await host.works(life.session)


async def execute(host, life):
    body = {"session_id": life.session, "command": WORDS, "language": "bash"}
    answer = await host.ask("POST", f"{P}/execute_async", json=body)
    life.task = answer["task_id"]
    await host.service.exited()


async def suspend(host, life):
    vm = await host.vm(life.session)
    await host.ask("POST", f"{P}/v1/vms/{vm['id']}/suspend")


async def snapshot(host, life):
    vm = await host.vm(life.session)
    made = await host.ask("POST", f"{P}/v1/vms/{vm['id']}/snapshot", json={})
    await host.ask("DELETE", f"{P}/v1/snapshots/{made['snapshot_id']}")


async def clone(host, life):
    vm = await host.vm(life.session)
    await host.ask("POST", f"{P}/v1/vms/{vm['id']}/clone", json={})


async def stop(host, life):
    await host.ask("POST", f"{P}/kill", json={"session_id": life.session})


ACTS = {
    "spawn": spawn,
    "exec": execute,
    "suspend": suspend,
    "resume": spawn,
    "snapshot": snapshot,
    "clone": clone,
    "stop": stop,
}


async def prepare(host, life, kind):
    """The session with a machine as the act needs it."""
    if not life.session:
        life.session = await host.session({"A": "b"})
        await host.settled()
    if kind != "spawn":
        await host.works(life.session)
    elif await host.vms(life.session):
        await stop(host, life)
    if kind == "resume":
        await suspend(host, life)


async def die(folder, armed, life, step, check):
    """One life of the service: it accounts for what was before, works, and dies at the step."""
    kind = step.partition(":")[0]
    environ = {"DIE_AT": step, "DIE_WHILE": str(armed)}
    async with hosting(folder, environ=environ) as host:
        await check(host)
        await prepare(host, life, kind)
        armed.touch()
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with asyncio.timeout(DEATH_S_MAX):
                await ACTS[kind](host, life)
        assert await host.service.exited() == -signal.SIGKILL, host.service.stderr
        assert host.service.stderr.endswith(last_words(step)), host.service.stderr
        # They die with the service: nobody has to look for them.
        await eventually(lambda: not host.traces.machines(), EXIT_S_MAX, "the end of machines")
    armed.unlink()


def checks(life, step):
    """What must hold of the life after this step."""

    async def check(host):
        await host.settled()
        vms = await host.vms(life.session)
        expected = AFTER.get(step, ("lost", "service_restart"))
        if expected is not None:
            assert (vms[0]["status"], vms[0]["reason"]) == expected, (step, vms)
        standing = [vm["id"] for vm in vms if vm["status"] == "suspended"]
        assert len(standing) == (step in STANDING), (step, vms)
        status, reason = await host.status(life.session)
        if step.startswith("spawn") and status == "running":
            return  # it waited for its machine, and got one
        assert status == ("pending" if not vms else "paused"), (step, status, reason)
        if life.task:
            done = await host.ask("GET", f"{P}/v1/executions/{life.task}")
            assert done["is_complete"], done
            whole = step == "exec: told"
            assert (done["exit_code"] == 0) == whole, done
        if standing:
            await host.works(life.session)
            assert (await host.vm(life.session))["goes_on"] == standing[0]

    return check


async def nothing(host):
    """There was no life before."""


@pytest.mark.parametrize(
    "kinds", [("spawn", "exec"), ("suspend", "resume"), ("snapshot", "clone", "stop")]
)
async def test_kill_9_at_a_named_step_leaves_nothing_and_loses_nothing(kinds, tmp_path):
    folder, armed = tmp_path / "data", tmp_path / "armed"
    life, check = Life(), nothing
    for step in MACHINES:
        if step.partition(":")[0] in kinds:
            await die(folder, armed, life, step, check)
            check = checks(life, step)
    async with hosting(folder) as host:
        await check(host)
        await host.works(life.session)
        await host.clear()
        await host.service.stop()
        assert host.traces.gone() == []
