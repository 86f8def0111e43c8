"""Leases of workers: one that is not heard of loses its session, also across a restart."""

import asyncio
import time

import pytest

from sessions.web.appkeys import WORK as KEY
from tests.support.service import SESSIONS, ask, create, start
from tests.support.work_protocol import WORK, claim, finished, not_told, poll, said, tell

SOON_S = 0.05
TRIES = 1200
# Nearly an hour: what a test takes itself is nothing beside it.
LEASE_S = 3000


async def shown(client, session):
    return await ask(client, "GET", f"{SESSIONS}/{session['id']}")


async def until(condition):
    for _ in range(TRIES):
        if await condition():
            return
        await asyncio.sleep(SOON_S)
    pytest.fail("it did not come to pass")


def passing(client, seconds):
    """Let the leases of a service on this loop become so much older."""
    client.app[KEY].leases.clock = lambda: time.monotonic() + seconds


async def test_a_worker_that_is_not_heard_of_loses_its_session(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, work_lease_s=LEASE_S)
    session = await create(client, "agent")
    late = await claim(client)
    await tell(client, late, 1, "started")
    passing(client, 0.75 * LEASE_S)
    await poll(client, late)  # which is to be heard of
    passing(client, 1.5 * LEASE_S)
    await asyncio.sleep(3 * SOON_S)
    assert (await shown(client, session))["status"] == "running"
    passing(client, 1.75 * LEASE_S + 1)
    again = await claim(client, worker="other", wait_s=30)
    assert (again["session_id"], again["generation"], again["attempt"]) == (session["id"], 2, 2)
    await not_told(client, late, 409, "fenced", said("I was only asleep"))
    assert (await tell(client, again, 1, "started"))["status"] == "running"
    history = await ask(client, "GET", f"{SESSIONS}/{session['id']}/events")
    lapses = [
        (item["actor"], event["data"]["why"])
        for item in history["items"]
        for event in item["events"]
        if event["type"] == "work.released"
    ]
    assert lapses == [("service", "lapsed")]
    async with client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    for name, value in (("claims", 2), ("lapses", 1), ("fenced", 1)):
        assert f"sessiond_work_{name}_total {value}.0" in lines
    assert "sessiond_work_held 1.0" in lines
    assert "sessiond_workers_waiting 0.0" in lines


async def test_after_a_restart_each_worker_has_a_whole_lease_to_be_heard_of(
    aiohttp_client, tmp_path
):
    client = await start(aiohttp_client, tmp_path, work_lease_s=LEASE_S)
    for _ in range(2):
        await create(client, "agent", spec={"prompt": "p"}, work={"attempts_max": 1})
    heard, silent = await claim(client), await claim(client)
    first = await tell(client, heard, 1, "started", said("x"))
    await client.close()

    client = await start(aiohttp_client, tmp_path, work_lease_s=1)
    await until(lambda: held(client, 2))
    assert await tell(client, heard, 1, "started", said("x")) == first
    passing(client, 0.75 * LEASE_S)
    assert (await poll(client, heard))["lease_s"] == LEASE_S
    passing(client, 1.25 * LEASE_S)

    async def lost():
        return (await shown(client, {"id": silent["session_id"]}))["status"] == "lost"

    await until(lost)
    ended = await shown(client, {"id": silent["session_id"]})
    assert (ended["reason"], ended["work"]["worker"]) == ("runtime_lost", None)
    assert (await tell(client, heard, 2, finished()))["status"] == "completed"


async def held(client, count):
    items = (await ask(client, "GET", WORK, params={"state": "held"}))["items"]
    return len(items) == count and all(item["lease_left_s"] is not None for item in items)


async def test_a_session_that_waited_before_a_restart_still_does(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    made = [await create(client, "agent") for _ in range(3)]
    await claim(client)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert (await claim(client))["session_id"] == made[1]["id"]
    assert (await claim(client))["session_id"] == made[2]["id"]
    assert await claim(client) is None


async def test_whoever_waits_is_sent_home_when_the_service_ends(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, work_lease_s=LEASE_S)
    waiting = asyncio.create_task(claim(client, "evaluation", wait_s=30))
    session = await create(client, "agent")
    claimed = await claim(client)
    claimed["after"] = (await poll(client, claimed))["after"]
    listening = asyncio.create_task(poll(client, claimed, wait_s=30))
    await asyncio.sleep(SOON_S)
    client.app[KEY].close()
    async with asyncio.timeout(20):  # and not the 30 that they asked for
        assert await waiting is None
        assert (await listening)["status"] == "starting"
    assert (await shown(client, session))["status"] == "starting"


async def test_a_session_whose_secrets_are_lost_fails_and_holds_up_nobody(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    broken = await create(client, "agent", secrets={"A": "b"})
    sound = await create(client, "agent")
    await client.close()
    for path in (tmp_path / "data").glob("*vault*"):
        path.unlink()
    client = await start(aiohttp_client, tmp_path)
    assert (await claim(client))["session_id"] == sound["id"]
    ended = await shown(client, broken)
    assert (ended["status"], ended["reason"]) == ("failed", "runtime_failed")
