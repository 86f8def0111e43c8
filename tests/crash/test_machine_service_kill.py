"""The service with real machines, killed and stopped: nothing is left, and sessions go on."""

import asyncio
import signal

import pytest

from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.sweep import orphans
from tests.support.process import eventually, serving
from tests.support.service import API, SESSIONS
from tests.support.vm import CACHE, needs_qemu

pytestmark = pytest.mark.slow(reason="boots real machines under a real service")
SMALL = {"kind": "vm", "spec": {"vcpu_count": 1, "memory_mb": 128}}
PATIENCE_S = 300.0
GONE_S_MAX = 60.0


class User:
    """What a user does over HTTP."""

    def __init__(self, client):
        self.client = client

    async def ask(self, method, path, **request):
        async with self.client.request(method, path, timeout=PATIENCE_S, **request) as answer:
            body = await answer.json() if answer.content_length else None
            assert answer.status < 300, (path, answer.status, body)
            return body

    async def session(self):
        return (await self.ask("POST", SESSIONS, json=SMALL))["id"]

    async def run(self, session, code, **more):
        body = {"code": code, "language": "bash", **more}
        return await self.ask("POST", f"{SESSIONS}/{session}/executions", json=body)

    async def machine(self, session):
        return (await self.ask("GET", f"{SESSIONS}/{session}/vms"))["items"][0]

    async def status(self, session):
        found = await self.ask("GET", f"{SESSIONS}/{session}")
        return found["status"], found["reason"]

    async def runs(self, execution):
        for _ in range(6000):
            if (await self.ask("GET", execution))["status"] == "running":
                return
            await asyncio.sleep(0.05)
        pytest.fail("it never ran")

    async def suspended(self, session):
        await self.ask("POST", f"{SESSIONS}/{session}/transitions", json={"to": "pausing"})
        query = {"wait": "status:paused", "timeout": "60"}
        for _ in range(5):
            found = await self.ask("GET", f"{SESSIONS}/{session}", params=query)
            if found["status"] == "paused":
                return
        pytest.fail("it never stood still")


@pytest.fixture
def data(tmp_path):
    needs_qemu()
    return tmp_path / "data"


def serve(data):
    return serving(data, "--vm-cache", str(CACHE), "--vm-count", "6")


async def nothing_runs(data):
    await eventually(lambda: not orphans(tag_of(data)), GONE_S_MAX, "the end of every machine")
    assert list((data / "machines" / "run").iterdir()) == []


async def test_after_kill_9_it_says_what_was_lost_and_goes_on(data):
    async with serve(data) as service, service.client() as client:
        user = User(client)
        idle, busy, still, starting = [await user.session() for _ in range(4)]
        await user.run(idle, "echo 1")
        await user.run(still, "echo kept > ~/file")
        await user.suspended(still)
        promised = await user.run(busy, "sleep 60", wait=False, timeout_s=90)
        at = f"{SESSIONS}/{busy}/executions/{promised['id']}"
        await user.runs(at)
        await user.run(starting, "echo 2", wait=False)
        service.kill()
    await eventually(lambda: not orphans(tag_of(data)), GONE_S_MAX, "the end of every machine")
    async with serve(data) as service, service.client() as client:
        user = User(client)
        cut = await user.ask("GET", at)
        assert (cut["status"], cut["reason"], cut["exit_code"]) == (
            "cut_off",
            "service_restart",
            None,
        )
        for session in (idle, busy):
            assert await user.status(session) == ("paused", "service_restart")
            vm = await user.machine(session)
            assert (vm["status"], vm["reason"]) == ("lost", "service_restart")
        again = await user.run(idle, "echo on")
        assert (again["stdout"], (await user.machine(idle))["generation"]) == ("on\n", 2)
        assert (await user.run(still, "cat ~/file"))["stdout"] == "kept\n"
        assert (await user.run(starting, "echo on"))["stdout"] == "on\n"
        await service.stop()
    await nothing_runs(data)


async def test_sigterm_ends_every_machine_and_tells_so(data):
    async with serve(data) as service, service.client() as client:
        user = User(client)
        sessions = [await user.session() for _ in range(3)]
        await asyncio.gather(*[user.run(session, "echo 1") for session in sessions])
        service.send(signal.SIGTERM)
        assert await service.exited() == 0
    await nothing_runs(data)
    async with serve(data) as service, service.client() as client:
        user = User(client)
        for session in sessions:
            assert await user.status(session) == ("paused", "service_restart")
            vm = await user.machine(session)
            assert (vm["status"], vm["reason"]) == ("stopped", "service_restart")
        vms = await user.ask("GET", f"{API}/vms", params={"status": "running"})
        assert vms["items"] == []
