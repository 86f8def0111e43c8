"""Making, reading and deleting sessions through the native API."""

import datetime
from typing import Any

import pytest

from projections.events.status import KINDS
from sessions.domain import policy
from tests.support.logs import Clock
from tests.support.service import (
    ADMIN,
    API,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    refused,
    start,
)

OFFERED = {
    "requires": [],
    "on_loss": "requeue",
    "attempts_max": 3,
    "attempts": 0,
    "generation": 0,
    "worker": None,
    "claimed_at": None,
}
UNKNOWN = f"{SESSIONS}/00000000-0000-7000-8000-000000000000"


def instant(text):
    return datetime.datetime.fromisoformat(text)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_with_nothing_but_a_kind_has_the_defaults(aiohttp_client, tmp_path, kind):
    client = await start(aiohttp_client, tmp_path, clock_us=Clock())
    session = await create(client, kind)
    longest = policy.MAX_DURATION_S[kind]
    created = instant("2023-11-14T22:13:20Z")
    assert instant(session.pop("created_at")) == created
    assert instant(session.pop("updated_at")) == created
    assert instant(session.pop("max_deadline")) == created + datetime.timedelta(seconds=longest)
    assert session.pop("id")
    assert session == {
        "kind": kind,
        "dialect": "native",
        "tenant": "default",
        "owner": "key:admin",
        "title": "",
        "status": "pending",
        "reason": "requested",
        "detail": "",
        "actor": "key:admin",
        "labels": [],
        "metadata": {},
        "spec": {},
        "secrets": {},
        "started_at": None,
        "ended_at": None,
        "idle_timeout_s": None,
        "max_duration_s": longest,
        "idle_deadline": None,
        "expires_at": None,
        "messages": 0,
        "artifacts": 0,
        "tests_total": 0,
        "tests_running": 0,
        "tests_completed": 0,
        "work": OFFERED if kind == "agent" else None,
        "agent": None,
        "position": 1,
        "status_position": 1,
    }


async def test_every_field_comes_back_as_it_was_given(client):
    given = {
        "kind": "agent",
        "status": "running",
        "title": "Ein Titel ✓",
        "labels": ["b", "a", "ü"],
        "metadata": {"n": 1, "f": 1.5, "t": True, "nil": None, "deep": {"list": [1, {"x": "y"}]}},
        "spec": {"model": "m", "limits": {"acu": 5}},
        "idle_timeout_s": 60,
        "max_duration_s": 3600,
    }
    session = await ask(client, "POST", SESSIONS, 201, json=given)
    assert {name: session[name] for name in given} == given
    assert session["started_at"] == session["created_at"]
    created = instant(session["created_at"])
    assert instant(session["idle_deadline"]) == created + datetime.timedelta(seconds=60)
    assert instant(session["max_deadline"]) == created + datetime.timedelta(seconds=3600)
    assert await ask(client, "GET", f"{SESSIONS}/{session['id']}") == session


async def test_an_answer_names_where_the_session_is_and_its_revision(client):
    async with client.post(SESSIONS, json={"kind": "vm"}) as answer:
        session = await answer.json()
        assert answer.headers["Location"] == f"{SESSIONS}/{session['id']}"
        revision = answer.headers["Session-Position"]
        assert answer.headers["ETag"] == f'"{revision}"'
        assert session["position"] == int(revision)
        assert answer.headers["X-Request-Id"]
    async with client.get(answer.headers["Location"]) as again:
        assert await again.json() == session
        assert again.headers["ETag"] == f'"{revision}"'
        assert again.headers["Session-Position"] == revision


async def test_repeated_labels_are_one(client):
    session = await create(client, labels=["x", "y", "x"])
    assert session["labels"] == ["x", "y"]


async def test_an_idle_time_out_longer_than_the_default_lengthens_the_whole_session(client):
    session = await create(client, "browser", idle_timeout_s=3600)
    assert session["max_duration_s"] == 3600


AT_THE_ENDS: list[dict[str, Any]] = [
    {"title": "x" * policy.TITLE_CHARS_MAX},
    {"labels": [f"label {n}" for n in range(policy.LABELS_MAX)]},
    {"labels": ["x" * policy.LABEL_CHARS_MAX]},
    {"metadata": {f"key {n}": n for n in range(policy.METADATA_KEYS_MAX)}},
    {"max_duration_s": 1},
    {"max_duration_s": policy.DURATION_S_MAX},
    {"max_duration_s": 10, "idle_timeout_s": 10},
    {"idle_timeout_s": 1},
    {"status": "queued"},
    {"metadata": {"": "empty key", "a/b~c": 1}},
    {"metadata": {"n": 2**63 - 1, "m": -(2**63), "u": 2**64 - 1}},
]


async def test_the_ends_of_a_range_are_taken(client, subtests):
    for fields in AT_THE_ENDS:
        with subtests.test(fields=str(fields)[:60]):
            session = await create(client, **fields)
            assert {name: session[name] for name in fields} == fields


OUT_OF_RANGE: list[tuple[dict[str, Any], str]] = [
    ({"title": "x" * (policy.TITLE_CHARS_MAX + 1)}, "title"),
    ({"labels": [str(n) for n in range(policy.LABELS_MAX + 1)]}, "labels"),
    ({"labels": ["x" * (policy.LABEL_CHARS_MAX + 1)]}, "labels"),
    ({"labels": [""]}, "labels"),
    ({"metadata": {str(n): n for n in range(policy.METADATA_KEYS_MAX + 1)}}, "metadata"),
    ({"max_duration_s": 0}, "max_duration_s"),
    ({"max_duration_s": policy.DURATION_S_MAX + 1}, "max_duration_s"),
    ({"idle_timeout_s": 0}, "idle_timeout_s"),
    ({"idle_timeout_s": -1}, "idle_timeout_s"),
    ({"idle_timeout_s": 11, "max_duration_s": 10}, "idle_timeout_s"),
]


async def test_what_is_out_of_range_is_refused_and_named(client, subtests):
    for fields, field in OUT_OF_RANGE:
        with subtests.test(fields=str(fields)[:60]):
            body = {"kind": "browser", **fields}
            problem = await refused(client, "POST", SESSIONS, 422, "invalid_value", json=body)
            assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]


TO_SPOIL: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", SESSIONS, {"kind": "vm", "extra": 1}),
    ("POST", f"{API}/keys", {"name": "k", "extra": 1}),
    ("PATCH", SESSIONS + "/{id}", {"extra": 1}),
    ("POST", SESSIONS + "/{id}/transitions", {"to": "running", "extra": 1}),
    ("POST", SESSIONS + "/{id}/extend", {"extra": 1}),
    ("POST", SESSIONS + "/{id}/messages", {"content": "x", "extra": 1}),
]


async def test_a_field_that_nobody_knows_is_refused(client, subtests):
    session = await create(client)
    for method, what, body in TO_SPOIL:
        with subtests.test(method=method, what=what):
            path = what.format(id=session["id"])
            problem = await refused(client, method, path, 422, "invalid_body", json=body)
            assert "extra" in problem["detail"]


async def test_a_session_does_not_begin_in_any_other_status(client, subtests):
    for status in ("starting", "blocked", "paused", "completed", "lost", "none"):
        with subtests.test(status=status):
            body = {"kind": "vm", "status": status}
            problem = await refused(client, "POST", SESSIONS, 422, "invalid_body", json=body)
            assert problem["errors"][0]["pointer"] == "/status"


async def test_a_deleted_session_is_gone_but_its_history_stays(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    session = await create(client, labels=["x"])
    path = f"{SESSIONS}/{session['id']}"
    async with client.delete(path) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        assert int(answer.headers["Session-Position"]) > session["position"]
    await refused(client, "GET", path, 410, "session_deleted")
    await refused(client, "PATCH", path, 410, "session_deleted", json={"title": "t"})
    for what, body in {
        "transitions": {"to": "running"},
        "extend": {"max_duration_s": 5},
        "messages": {"content": "c"},
    }.items():
        await refused(client, "POST", f"{path}/{what}", 410, "session_deleted", json=body)
    for query in ("", "?label=x", "?kind=browser", "?status=stopped", f"?text={session['id']}"):
        assert (await ask(client, "GET", SESSIONS + query))["items"] == []
    history = await ask(client, "GET", f"{path}/events")
    types = [[event["type"] for event in commit["events"]] for commit in history["items"]]
    assert types == [["session.created"], ["session.status_changed", "session.deleted"]]
    stopped = history["items"][1]["events"][0]["data"]
    assert (stopped["to"], stopped["reason"]) == ("stopped", "deleted")


async def test_deleting_twice_is_one_deletion(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    await ask(client, "DELETE", path, 204)
    await ask(client, "DELETE", path, 204)
    history = await ask(client, "GET", f"{path}/events")
    assert len(history["items"]) == 2


async def test_deleting_an_ended_session_keeps_how_it_ended(client):
    session = await move(client, await create(client), "running", "completed")
    path = f"{SESSIONS}/{session['id']}"
    await ask(client, "DELETE", path, 204)
    history = await ask(client, "GET", f"{path}/events")
    assert [event["type"] for event in history["items"][-1]["events"]] == ["session.deleted"]


async def test_a_deletion_at_a_stale_revision_is_refused(client):
    session = await create(client)
    await move(client, session, "running")
    path = f"{SESSIONS}/{session['id']}"
    headers = {"If-Match": f'"{session["position"]}"'}
    await refused(client, "DELETE", path, 412, "revision_mismatch", headers=headers)
    assert (await ask(client, "GET", path))["status"] == "running"


OF_A_SESSION = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/transitions"),
    ("POST", "/extend"),
    ("POST", "/messages"),
    ("GET", "/messages"),
    ("GET", "/events"),
    ("GET", "/vms"),
]


async def test_an_unknown_session_is_not_found(client, subtests):
    bodies = {"/transitions": {"to": "running"}, "/messages": {"content": "c"}}
    for method, what in OF_A_SESSION:
        with subtests.test(method=method, what=what):
            body = None if method in ("GET", "DELETE") else bodies.get(what, {})
            await refused(client, method, UNKNOWN + what, 404, "not_found", json=body)


async def test_nobody_gets_in_without_a_key(client, subtests):
    for header in ({}, bearer("wrong"), {"Authorization": f"Basic {ADMIN}"}):
        headers = {"Authorization": "", **header}
        for method, path in [("GET", SESSIONS), ("POST", SESSIONS), ("GET", UNKNOWN)]:
            with subtests.test(header=header, method=method, path=path):
                await refused(client, method, path, 401, "unauthorized", headers=headers)
                async with client.request(method, path, headers=headers) as answer:
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_key_may_also_come_as_x_api_key(client):
    headers = {"Authorization": "", "X-API-Key": ADMIN}
    assert await ask(client, "GET", SESSIONS, headers=headers)
