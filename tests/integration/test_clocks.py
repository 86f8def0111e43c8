"""Deadlines: both clocks fire, are put off as they should be, and survive a restart."""

import asyncio

import pytest
import structlog

from eventstore.errors import UnknownEvent
from projections.folds.session import SECOND_US
from sessions import clocks, ids
from sessions.caller import SERVICE
from sessions.domain.commands import CreateSession
from sessions.web.appkeys import SESSIONS as SESSIONS_KEY
from tests.support.logs import Clock
from tests.support.service import SESSIONS, ask, create, ids_of_list, move, refused, start

TICKS_S = 0.1


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(clocks, "TICK_S", 0.005)
    monkeypatch.setattr(clocks, "MORE_S", 0.001)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock):
    return await start(aiohttp_client, tmp_path, clock_us=clock)


async def read(client, session):
    return await ask(client, "GET", f"{SESSIONS}/{session['id']}")


async def ended(client, session):
    """The session when it has ended."""
    path = f"{SESSIONS}/{session['id']}?wait=status:ended&timeout=60"
    session = await ask(client, "GET", path)
    assert session["ended_at"], session
    return session


async def still(client, session, clock, seconds, status="running"):
    """The session after so many seconds, which it must have lived through."""
    clock.now_us += seconds * SECOND_US
    await asyncio.sleep(TICKS_S)
    session = await read(client, session)
    assert session["status"] == status
    return session


async def after(client, session, clock, seconds):
    """The session after so many seconds, which must have ended it, and not one sooner."""
    await still(client, session, clock, seconds - 1, session["status"])
    clock.now_us += SECOND_US
    return await ended(client, session)


async def test_a_session_that_nobody_uses_ends(client, clock):
    session = await create(client, status="running", idle_timeout_s=60)
    session = await after(client, session, clock, 60)
    assert (session["status"], session["reason"]) == ("timed_out", "idle_timeout")
    assert session["actor"] == "service"
    assert (session["idle_deadline"], session["max_deadline"]) == (None, None)


@pytest.mark.parametrize("way", [[], ["queued"], ["starting"], ["running"], ["running", "blocked"]])
async def test_a_session_that_lasts_too_long_ends_in_whatever_status_it_is(client, clock, way):
    session = await create(client, max_duration_s=100)
    session = await move(client, session, *way)
    session = await after(client, session, clock, 100)
    assert (session["status"], session["reason"]) == ("timed_out", "max_duration")


async def test_use_puts_off_the_idle_clock_but_not_the_other(client, clock):
    session = await create(client, status="running", idle_timeout_s=60, max_duration_s=150)
    path = f"{SESSIONS}/{session['id']}"
    await still(client, session, clock, 50)
    await ask(client, "POST", f"{path}/messages", 201, json={"content": "x"})
    await still(client, session, clock, 50)
    await ask(client, "PATCH", path, json={"title": "used"})
    session = await still(client, session, clock, 49)
    assert session["idle_deadline"] > session["max_deadline"]
    session = await after(client, session, clock, 1)
    assert session["reason"] == "max_duration"


async def test_being_read_is_no_use(client, clock):
    session = await create(client, status="running", idle_timeout_s=60)
    await still(client, session, clock, 59)
    await ids_of_list(client)
    clock.now_us += SECOND_US
    assert (await ended(client, session))["reason"] == "idle_timeout"


async def test_a_touch_is_use_and_touches_close_together_are_one_fact(client, clock):
    session = await create(client, status="running", idle_timeout_s=100)
    sessions = client.server.app[SESSIONS_KEY]
    for _ in range(20):
        clock.now_us += 5 * SECOND_US
        await sessions.touch(session["id"], SERVICE)
    history = await ask(client, "GET", f"{SESSIONS}/{session['id']}/events")
    assert 5 <= len(history["items"]) <= 11
    await still(client, session, clock, 85)


async def test_a_paused_session_is_not_idle_and_has_its_time_again_when_it_goes_on(client, clock):
    session = await create(client, idle_timeout_s=60, max_duration_s=10_000)
    session = await move(client, session, "running", "paused")
    assert session["idle_deadline"] is None
    await still(client, session, clock, 5_000, "paused")
    session = await move(client, session, "resuming", "running")
    session = await after(client, session, clock, 60)
    assert session["reason"] == "idle_timeout"


async def test_a_paused_session_still_lasts_only_so_long(client, clock):
    session = await create(client, idle_timeout_s=60, max_duration_s=100)
    session = await move(client, session, "running", "paused")
    session = await after(client, session, clock, 100)
    assert session["reason"] == "max_duration"


async def test_a_session_that_was_never_started_is_removed_when_it_expires(client, clock):
    sessions = client.server.app[SESSIONS_KEY]

    async def make():
        expires_at = clock.now_us + 30 * SECOND_US
        command = CreateSession(kind="test_run", dialect="wave", owner="o", expires_at=expires_at)
        state, _ = await sessions.create(ids.uuid7(), command, SERVICE)
        return await read(client, {"id": state.id})

    left, begun = await make(), await make()
    assert left["expires_at"] > left["created_at"]
    await move(client, begun, "running")
    await still(client, left, clock, 29, "pending")
    clock.now_us += SECOND_US
    path = f"{SESSIONS}/{left['id']}"
    await refused(client, "GET", f"{path}?wait=status:ended&timeout=60", 410, "session_deleted")
    assert await ids_of_list(client) == [begun["id"]]
    last = (await ask(client, "GET", f"{path}/events"))["items"][-1]
    facts = [(event["type"], event["data"]["reason"]) for event in last["events"]]
    assert facts == [("session.status_changed", "expired"), ("session.deleted", "expired")]
    await still(client, begun, clock, 1_000)


async def test_longer_clocks_fire_later_and_one_that_is_off_does_not(client, clock):
    session = await create(client, status="running", idle_timeout_s=60, max_duration_s=100)
    path = f"{SESSIONS}/{session['id']}/extend"
    await ask(client, "POST", path, json={"idle_timeout_s": None, "max_duration_s": 1_000})
    session = await still(client, session, clock, 500)
    session = await after(client, session, clock, 500)
    assert session["reason"] == "max_duration"


async def test_a_clock_can_be_made_shorter_but_not_to_have_fired_already(client, clock):
    session = await create(client, status="running", max_duration_s=1_000)
    path = f"{SESSIONS}/{session['id']}/extend"
    clock.now_us += 500 * SECOND_US
    await refused(client, "POST", path, 422, "invalid_value", json={"max_duration_s": 500})
    await ask(client, "POST", path, json={"max_duration_s": 510})
    assert (await after(client, session, clock, 10))["reason"] == "max_duration"


async def test_what_ended_or_is_deleted_does_not_end_again(client, clock):
    done = await move(client, await create(client, max_duration_s=10), "completed")
    gone = await create(client, max_duration_s=10)
    await ask(client, "DELETE", f"{SESSIONS}/{gone['id']}", 204)
    assert await still(client, done, clock, 1_000, "completed") == done
    history = await ask(client, "GET", f"{SESSIONS}/{gone['id']}/events")
    assert len(history["items"]) == 2


async def test_deadlines_that_passed_while_the_service_was_down_fire_at_its_start(
    aiohttp_client, tmp_path, clock
):
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    idle = await create(client, status="running", idle_timeout_s=60, max_duration_s=10_000)
    long = await create(client, max_duration_s=100)
    lives = await create(client, status="running", max_duration_s=10_000)
    await client.close()
    clock.now_us += 1_000 * SECOND_US
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    assert (await ended(client, idle))["reason"] == "idle_timeout"
    assert (await ended(client, long))["reason"] == "max_duration"
    await still(client, lives, clock, 0)
    await client.close()
    # The views know deadlines; without them they come from the log.
    for file in (tmp_path / "data").glob("views.db*"):
        file.unlink()
    clock.now_us += 10_000 * SECOND_US
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    assert (await ended(client, lives))["reason"] == "max_duration"


async def test_of_two_clocks_that_passed_the_first_one_is_the_reason(
    aiohttp_client, tmp_path, clock
):
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    idle = await create(client, status="running", idle_timeout_s=60, max_duration_s=100)
    await client.close()
    clock.now_us += 1_000 * SECOND_US
    client = await start(aiohttp_client, tmp_path, clock_us=clock)
    assert (await ended(client, idle))["reason"] == "idle_timeout"


async def test_a_session_that_cannot_be_ended_does_not_hold_up_the_others(
    client, clock, monkeypatch
):
    sessions = client.server.app[SESSIONS_KEY]
    broken = [await create(client, max_duration_s=10) for _ in range(2)]
    other = await create(client, max_duration_s=20)
    errors = iter([RuntimeError("a bug"), UnknownEvent("from.the.future")] * 1000)
    execute = sessions.execute

    async def fail(session_id, *args, **more):
        if session_id in [session["id"] for session in broken]:
            raise next(errors)
        return await execute(session_id, *args, **more)

    monkeypatch.setattr(sessions, "execute", fail)
    with structlog.testing.capture_logs() as lines:
        clock.now_us += 20 * SECOND_US
        assert (await ended(client, other))["reason"] == "max_duration"
        await asyncio.sleep(TICKS_S)
    told = [line["session"] for line in lines if line["event"] == "clock.crashed"]
    assert sorted(told) == sorted(session["id"] for session in broken)
    monkeypatch.undo()
    for session in broken:
        assert (await ended(client, session))["reason"] == "max_duration"


async def test_many_deadlines_at_one_moment_all_fire_once(client, clock):
    made = await asyncio.gather(*(create(client, max_duration_s=60) for _ in range(450)))
    clock.now_us += 60 * SECOND_US
    await asyncio.gather(*(ended(client, session) for session in made))
    assert len(await ids_of_list(client, {"status": "timed_out", "limit": "200"})) == 450
    history = await ask(client, "GET", f"{SESSIONS}/{made[0]['id']}/events")
    assert len(history["items"]) == 2
