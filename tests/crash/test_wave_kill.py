"""Test runs whose service is killed in the middle: nothing that was answered is lost or repeated.

Sections are those of the WAVE contract.
"""

import asyncio
import random

import aiohttp
import msgspec
import pytest
from yarl import URL

from tests.support.process import serving
from tests.support.replays import Replay, bodies_in, tables_in
from tests.support.wave import make, order, pages_at, started

TESTS = [f"/{api}/t{n:02}.html" for api in ("css", "dom", "url") for n in range(50)]
DEVICES = 6
KILLS = 4
# Long enough that whoever was handed a test has reported it before, however slowly.
TIMEOUT_MS = 8_000
LATE_S_MAX = 120.0


class Device:
    """Walks through the tests of a session until the service is gone or there are no more."""

    def __init__(self):
        self.handed_out = []
        self.reported = []

    async def walk(self, client, token):
        try:
            while True:
                async with client.get(f"/api/tests/{token}/next") as answer:
                    path = URL((await answer.json())["next_test"]).path
                if path not in TESTS:
                    return
                self.handed_out.append(path)
                body = {"test": path, "status": 0, "message": path, "tests": []}
                async with client.post(f"/api/results/{token}", json=body) as answer:
                    assert answer.status == 200
                self.reported.append(path)
        except aiohttp.ClientError:
            return  # killed


async def when_done(client, token):
    """The status of a session, once it is not running any more."""
    give_up = asyncio.get_running_loop().time() + LATE_S_MAX
    while True:
        async with client.get(f"/api/sessions/{token}/status") as answer:
            found = (await answer.json())["status"]
        if found != "running":
            return found
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.05)


def facts_in(folder, stream):
    """The facts of a stream as (type, data)."""
    commits = map(msgspec.json.decode, bodies_in(folder))
    mine = [event for body in commits if body["stream"] == stream for event in body["events"]]
    return [(event["type"], event["data"]) for event in mine]


@pytest.mark.slow(reason="kills the service four times in the middle of a run")
async def test_killed_in_mid_run_each_test_has_one_result(tmp_path):
    """Sections 2.5 and 3.5: what nobody reported any more is given up, the rest is as it was."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder, tests = tmp_path / "data", pages_at(tmp_path, *TESTS)
    devices = []
    token = ""
    for _ in range(KILLS):
        async with serving(folder, "--wave-tests", tests) as service, service.client() as client:
            token = token or await started(client, {"timeouts": {"automatic": TIMEOUT_MS}})
            at_once = [Device() for _ in range(DEVICES)]
            devices += at_once
            walking = asyncio.gather(*[device.walk(client, token) for device in at_once])
            await asyncio.sleep(chance.random() * 0.1)
            service.kill()
            await walking
    async with serving(folder, "--wave-tests", tests) as service, service.client() as client:
        last = Device()
        await last.walk(client, token)
        assert await when_done(client, token) == "completed"
        await service.stop()

    devices.append(last)
    facts = facts_in(folder, f"session/{token}")
    out = [data["path"] for kind, data in facts if kind == "test.started"]
    assert out == TESTS
    done = {
        data["path"]: kind for kind, data in facts if kind in ("test.completed", "test.timed_out")
    }
    assert sorted(done) == sorted(TESTS)
    assert len(facts) == 4 + 2 * len(TESTS) + 1
    answered = [path for device in devices for path in device.handed_out]
    assert len(answered) == len(set(answered))
    for path in (path for device in devices for path in device.reported):
        assert done[path] == "test.completed"
    replay = Replay()
    replay.extend(bodies_in(folder))
    assert tables_in(folder) == replay.tables()


@pytest.mark.slow(reason="kills the service four times while sessions start")
async def test_killed_while_sessions_start_each_has_all_its_tests_or_is_pending(tmp_path):
    """Section 2.2: the list of tests is kept before the log tells of it, and never without."""
    chance = random.Random()
    folder, tests = tmp_path / "data", pages_at(tmp_path, *TESTS)
    tokens = []
    for _ in range(KILLS):
        async with serving(folder, "--wave-tests", tests) as service, service.client() as client:
            made = [await make(client) for _ in range(12)]
            tokens += made
            starts = [asyncio.create_task(order(client, token, "start")) for token in made]
            await asyncio.sleep(chance.random() * 0.05)
            service.kill()
            await asyncio.gather(*starts, return_exceptions=True)
    async with serving(folder, "--wave-tests", tests) as service, service.client() as client:
        for token in tokens:
            await order(client, token, "start")
            async with client.get(f"/api/tests/{token}") as answer:
                pending = (await answer.json())["pending_tests"]
            assert [path for paths in pending.values() for path in paths] == TESTS
            async with client.get(f"/api/tests/{token}/next") as answer:
                assert URL((await answer.json())["next_test"]).path == TESTS[0]
        await service.stop()
    for token in tokens:
        kinds = [kind for kind, _ in facts_in(folder, f"session/{token}")]
        assert kinds.count("tests.selected") == 1
    assert not list((folder / "artifacts" / ".incoming").iterdir())
