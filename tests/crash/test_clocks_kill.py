"""Deadlines that pass while nobody is there to watch them: they fire when the service is back."""

import asyncio
import random

import msgspec
import pytest

from tests.support.late import LATE_S
from tests.support.process import eventually, serving
from tests.support.replays import Replay, bodies_in, tables_in

SESSIONS = "/api/v1/sessions"
SHORT_S = 1
# Nothing fires while the sessions are made, however slowly.
LONG_S = 600
AHEAD = {LATE_S: str(LONG_S + 2)}
FIRES_S_MAX = 120.0
KILLS = 5


async def create(client, **given):
    """A session; its id."""
    async with client.post(SESSIONS, json={"kind": "agent", "status": "running"} | given) as answer:
        assert answer.status == 201, await answer.text()
        return (await answer.json())["id"]


async def get(client, session_id):
    """A session as it is now."""
    async with client.get(f"{SESSIONS}/{session_id}") as answer:
        return await answer.json()


async def timed_out(client, ids):
    """The sessions, once each of them has ended."""
    give_up = asyncio.get_running_loop().time() + FIRES_S_MAX
    while True:
        states = [await get(client, session_id) for session_id in ids]
        if all(state["status"] == "timed_out" for state in states):
            return states
        assert asyncio.get_running_loop().time() < give_up, states
        await asyncio.sleep(0.05)


@pytest.mark.slow(reason="starts and kills the service")
async def test_deadlines_that_pass_while_the_service_is_down_fire_after_it(tmp_path):
    async with serving(tmp_path) as service, service.client() as client:
        idle = await create(client, idle_timeout_s=LONG_S)
        longest = await create(client, max_duration_s=LONG_S)
        both = await create(client, max_duration_s=LONG_S + 1, idle_timeout_s=LONG_S)
        pending = await create(client, status="pending", max_duration_s=LONG_S)
        later = await create(client, idle_timeout_s=10 * LONG_S)
        endless = await create(client)
        paused = await create(client, idle_timeout_s=LONG_S)
        async with client.post(f"{SESSIONS}/{paused}/transitions", json={"to": "paused"}) as moved:
            assert moved.status == 200
        service.kill()
    head = len(bodies_in(tmp_path))

    ids = [idle, longest, both, pending]
    async with (
        serving(tmp_path, module="tests.support.late", environ=AHEAD) as service,
        service.client() as client,
    ):
        states = await timed_out(client, ids)
        reasons = [state["reason"] for state in states]
        assert reasons == ["idle_timeout", "max_duration", "idle_timeout", "max_duration"]
        assert {state["actor"] for state in states} == {"service"}
        assert all(state["ended_at"] and state["expires_at"] is None for state in states)
        for session_id in (later, endless):
            assert (await get(client, session_id))["status"] == "running"
        assert (await get(client, paused))["status"] == "paused"
        await service.stop()
    replay = Replay()
    replay.extend(bodies_in(tmp_path))
    assert tables_in(tmp_path) == replay.tables()
    assert len(replay.bodies) == head + len(ids)


@pytest.mark.slow(reason="kills the service five times while its clocks fire")
async def test_killed_while_clocks_fire_each_session_is_ended_once(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    ids = []
    for _ in range(KILLS):
        async with serving(tmp_path) as service:
            async with service.client() as client:
                made = [create(client, idle_timeout_s=SHORT_S) for _ in range(400)]
                ids += await asyncio.gather(*made)
            await asyncio.sleep(SHORT_S + chance.random() * 0.8)
            service.kill()
    async with serving(tmp_path) as service, service.client() as client:
        await eventually(lambda: ended(tmp_path) >= len(ids), FIRES_S_MAX, "the clocks")
        for state in await timed_out(client, chance.sample(ids, 20)):
            assert (state["reason"], state["actor"]) == ("idle_timeout", "service")
        await service.stop()
    replay = Replay()
    replay.extend(bodies_in(tmp_path))
    assert tables_in(tmp_path) == replay.tables()
    ends = [stream for stream, kind, _ in replay.facts if kind == "session.status_changed"]
    assert sorted(ends) == sorted(f"session/{session_id}" for session_id in ids)


def ended(folder):
    """How many sessions the log has ended."""
    bodies = map(msgspec.json.decode, bodies_in(folder))
    return sum(e["type"] == "session.status_changed" for body in bodies for e in body["events"])
