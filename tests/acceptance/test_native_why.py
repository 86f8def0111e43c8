"""Why a session is in its state: what really happened to it, answered from the log alone."""

import asyncio
import datetime

import pytest

from projections.events.status import REASONS
from sessions.domain.policy import TRANSITIONS
from tests.support.logs import Clock
from tests.support.service import (
    ADMIN,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    new_key,
    refused,
    start,
)

BEGAN_US = 1_700_000_000_000_000
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def clock():
    return Clock(BEGAN_US)


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock):
    return await start(aiohttp_client, tmp_path, clock_us=clock)


def text(at_us):
    at = datetime.datetime.fromtimestamp(at_us // 1_000_000, datetime.UTC)
    return at.replace(microsecond=at_us % 1_000_000).isoformat(timespec="microseconds")[:-6] + "Z"


def instant(value):
    at = datetime.datetime.fromisoformat(value)
    return int(at.timestamp()) * 1_000_000 + at.microsecond


async def why(client, session, **request):
    return await ask(client, "GET", f"{SESSIONS}/{session['id']}/why", **request)


async def ended(client, session):
    path = f"{SESSIONS}/{session['id']}?wait=status:ended&timeout=60"
    state = await ask(client, "GET", path)
    assert state["status"] == "timed_out"
    return state


async def test_a_new_session_says_what_would_move_it(client):
    session = await create(client, "evaluation", idle_timeout_s=300, max_duration_s=600)
    answer = await why(client, session)
    [step] = answer["steps"]
    assert answer["because"] == step
    assert (step["was"], step["to"], step["reason"]) == (None, "pending", "requested")
    assert step["words"].startswith("created as an evaluation, pending")
    assert (answer["status"], answer["position"]) == ("pending", session["position"])
    assert (answer["waits_for"], answer["fired"], answer["deletion"]) == ("client", None, None)
    assert set(answer["transitions"]) == TRANSITIONS["pending"]
    idle, longest = answer["clocks"]
    assert (idle["name"], idle["length_s"]) == ("idle_timeout", 300)
    assert instant(idle["deadline"]) == BEGAN_US + 300_000_000
    assert instant(idle["since"]) == BEGAN_US
    assert (longest["name"], longest["length_s"]) == ("max_duration", 600)
    assert idle["set_by"] == longest["set_by"] == step["cause"]
    assert answer["words"] == [
        f'It is pending since it was created by the key "admin" at {text(BEGAN_US)} (position 1).',
        "It waits for a client to move it on.",
        (
            f"Unless it is used before, it times out at {text(BEGAN_US + 300_000_000)}: "
            'idle time-out of 300 s, set by the key "admin" at position 1.'
        ),
        (
            f"At the latest it times out at {text(BEGAN_US + 600_000_000)}: "
            'longest duration of 600 s, set by the key "admin" at position 1.'
        ),
    ]


async def test_a_session_that_waits_for_a_worker_says_what_for(client):
    answer = await why(client, await create(client, "agent"))
    assert answer["waits_for"] == "worker"
    assert answer["words"][1:3] == [
        "It waits for a worker or a runtime that is free to take it.",
        "It is offered to any worker; 0 of 3 attempts are used up.",
    ]
    terms = {"requires": ["gpu", "big"], "attempts_max": 1}
    answer = await why(client, await create(client, "test_run", work=terms))
    assert answer["waits_for"] == "worker"
    assert answer["words"][2] == (
        'It is offered to workers with "gpu", "big"; 0 of 1 attempts are used up.'
    )


async def test_an_idle_time_out_names_its_clock_who_set_it_and_the_last_use(client, clock):
    session = await create(client, status="running", idle_timeout_s=60, max_duration_s=3600)
    clock.now_us += 10_000_000
    await ask(client, "POST", f"{SESSIONS}/{session['id']}/extend", json={"idle_timeout_s": 30})
    clock.now_us += 5_000_000
    said = {"content": "still there"}
    await ask(client, "POST", f"{SESSIONS}/{session['id']}/messages", 201, json=said)
    used = clock.now_us
    clock.now_us += 31_000_000
    state = await ended(client, session)
    answer = await why(client, session)
    assert answer["because"]["reason"] == "idle_timeout"
    assert answer["because"]["cause"]["actor"] == "service"
    assert answer["because"]["cause"]["position"] == state["status_position"]
    fired = answer["fired"]
    assert (fired["name"], fired["length_s"], fired["set_by"]["position"]) == (
        "idle_timeout",
        30,
        2,
    )
    assert instant(fired["deadline"]) == used + 30_000_000
    assert answer["last_used"]["position"] == 3
    assert (answer["waits_for"], answer["clocks"], answer["transitions"]) == ("nothing", [], [])
    assert answer["words"] == [
        (
            f"It is timed_out: the service ended it at {text(clock.now_us)} (position 4), for its "
            'idle time-out of 30 s, set by the key "admin" at position 2, ran out after it was '
            f'last used by the key "admin" at {text(used)} (position 3).'
        ),
        "It has ended: nothing moves it any more.",
    ]


async def test_a_longest_duration_that_was_shortened_names_who_did_it(client, clock):
    key = await new_key(client, "default", name="meddler")
    session = await create(client, status="running", max_duration_s=3600)
    path = f"{SESSIONS}/{session['id']}/extend"
    await ask(client, "POST", path, json={"max_duration_s": 20}, headers=bearer(key["key"]))
    clock.now_us += 21_000_000
    await ended(client, session)
    answer = await why(client, session)
    assert (answer["fired"]["name"], answer["fired"]["length_s"]) == ("max_duration", 20)
    assert answer["fired"]["set_by"]["actor"] == "key:meddler"
    assert 'longest duration of 20 s ran out, set by the key "meddler"' in answer["words"][0]


async def test_a_session_that_never_began_expired_and_is_gone(client, clock):
    body = {"expiration_date": clock.now_us // 1000 + 60_000}
    made = await ask(client, "POST", "/_wave/api/sessions", json=body)
    session = {"id": made["token"]}
    before = await why(client, session)
    assert "expired" in {one["name"] for one in before["clocks"]}
    expires = next(one for one in before["clocks"] if one["name"] == "expired")
    assert (expires["length_s"], expires["since"]) == (None, None)
    clock.now_us = instant(expires["deadline"]) + 1
    # The clock may fire before anybody asks.
    news = {"session": session["id"], "after": "1", "wait": "60"}
    assert (await ask(client, "GET", "/api/v1/feed", params=news))["items"], "it has not fired"
    answer = await why(client, session)
    assert (answer["status"], answer["fired"]["name"]) == ("timed_out", "expired")
    assert answer["deletion"]["reason"] == "expired"
    assert answer["deletion"]["cause"] == answer["because"]["cause"]
    assert "it had not begun by" in answer["words"][0]
    assert answer["words"][1].startswith("It was deleted by the service")
    await refused(client, "GET", f"{SESSIONS}/{session['id']}", 410, "session_deleted")


async def test_an_end_by_force_names_who_why_and_by_which_request(client):
    session = await create(client, "browser", status="running")
    key = await new_key(client, "default", name="ops")
    headers = bearer(key["key"]) | {"X-Request-Id": "incident-7", "traceparent": TRACE}
    body = {"to": "stopped", "reason": "client_error", "detail": 'disk full\x1b[31m "now"'}
    path = f"{SESSIONS}/{session['id']}/transitions"
    state = await ask(client, "POST", path, json=body, headers=headers)
    answer = await why(client, session)
    step = answer["because"]
    cause = step["cause"]
    assert (step["was"], step["to"], step["reason"]) == ("running", "stopped", "client_error")
    assert step["detail"] == body["detail"]
    assert (cause["actor"], cause["position"]) == ("key:ops", state["position"])
    assert (cause["correlation_id"], cause["traceparent"]) == ("incident-7", TRACE)
    assert len(bytes.fromhex(cause["commit_id"])) == 16
    assert answer["fired"] is None
    assert 'the key "ops" stopped it from running' in answer["words"][0]
    assert '"disk full\\x1b[31m \\"now\\""' in answer["words"][0]
    assert all(line.isprintable() for line in answer["words"])


async def test_a_time_out_that_somebody_declared_is_no_clock_that_fired(client):
    session = await create(client, status="running", idle_timeout_s=600)
    path = f"{SESSIONS}/{session['id']}/transitions"
    await ask(client, "POST", path, json={"to": "timed_out", "reason": "idle_timeout"})
    answer = await why(client, session)
    assert answer["fired"] is None
    assert 'the key "admin" timed it out from running' in answer["words"][0]


async def test_a_blocked_session_waits_for_a_person_and_shows_the_way_there(client):
    session = await move(client, await create(client, "agent"), "running", "blocked")
    answer = await why(client, session)
    assert answer["waits_for"] == "person"
    assert "It waits for a person to answer or to let it go on." in answer["words"]
    assert [(one["was"], one["to"]) for one in answer["steps"]] == [
        (None, "pending"),
        ("pending", "running"),
        ("running", "blocked"),
    ]
    assert set(answer["transitions"]) == TRANSITIONS["blocked"]


async def test_a_deleted_session_is_explained(client):
    session = await create(client, status="running")
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    answer = await why(client, session)
    assert (answer["status"], answer["because"]["reason"]) == ("stopped", "deleted")
    assert answer["deletion"]["cause"] == answer["because"]["cause"]
    assert answer["erasure"] is None
    assert answer["words"][1].startswith('It was deleted by the key "admin"')
    assert answer["transitions"] == []


async def test_an_erased_session_is_explained(client):
    session = await create(client, status="running")
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}?erase=true", 204)
    answer = await why(client, session)
    assert answer["erasure"]["cause"]["actor"] == "key:admin"
    assert any(line.startswith("It was erased") for line in answer["words"])


async def test_of_requests_that_raced_each_step_names_its_own(client):
    session = await create(client, "agent", status="running")
    path = f"{SESSIONS}/{session['id']}/transitions"

    async def moved(number, to):
        headers = {"X-Request-Id": f"request-{number}"}
        async with client.post(path, json={"to": to}, headers=headers) as answer:
            return answer.status

    wanted = ["blocked", "paused"] * 8
    statuses = await asyncio.gather(*(moved(n, to) for n, to in enumerate(wanted)))
    answer = await why(client, session)
    assert set(statuses) <= {200, 409}
    steps = answer["steps"]
    assert [one["was"] for one in steps[1:]] == [one["to"] for one in steps[:-1]]
    for step in steps[1:]:
        number = int(step["cause"]["correlation_id"].removeprefix("request-"))
        assert (wanted[number], statuses[number]) == (step["to"], 200)
    positions = [step["cause"]["position"] for step in steps]
    assert positions == sorted(set(positions))
    assert answer["because"]["to"] == answer["status"]


async def test_the_past_is_explained_as_it_was(client, clock):
    session = await create(client, status="running")
    clock.now_us += 1_000_000
    await move(client, session, "paused", "running")
    answer = await why(client, session, params={"as_of": "2"})
    assert (answer["status"], answer["position"], len(answer["steps"])) == ("paused", 2, 2)
    at_start = {"as_of": "2023-11-14T22:13:20Z"}
    assert (await why(client, session, params=at_start))["status"] == "running"
    path = f"{SESSIONS}/{session['id']}/why"
    await refused(client, "GET", path, 404, "not_found", params={"as_of": "0"})
    await refused(client, "GET", path, 400, "bad_position", params={"as_of": "99"})
    await refused(client, "GET", path, 400, "bad_time", params={"as_of": "2001-01-01T00:00:00Z"})
    await refused(client, "GET", path, 400, "invalid_query", params={"as_of": "yesterday"})


async def test_who_may_not_see_a_session_gets_no_explanation(client):
    session = await create(client)
    other = await new_key(client, "elsewhere")
    path = f"{SESSIONS}/{session['id']}/why"
    await refused(client, "GET", path, 404, "not_found", headers=bearer(other["key"]))
    await refused(client, "GET", path, 401, "unauthorized", headers=bearer("nobody"))
    writer = await new_key(client, "default", "sessions:write")
    await refused(client, "GET", path, 403, "forbidden", headers=bearer(writer["key"]))
    await refused(client, "GET", f"{SESSIONS}/none/why", 404, "not_found")
    await refused(client, "GET", path, 400, "invalid_query", params={"limit": "1"})
    await ask(client, "GET", path, headers=bearer(ADMIN))


async def test_every_reason_has_its_words(client):
    said = set()
    for reason in REASONS:
        session = await create(client, status="running")
        path = f"{SESSIONS}/{session['id']}/transitions"
        await ask(client, "POST", path, json={"to": "failed", "reason": reason})
        answer = await why(client, session)
        assert answer["because"]["reason"] == reason
        assert 'the key "admin" declared it failed from running' in answer["words"][0]
        said.add(answer["words"][0].rpartition("), ")[2])
    assert len(said) == len(REASONS)
