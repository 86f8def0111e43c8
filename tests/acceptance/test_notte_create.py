"""Notte: a session is started as the early API has it, and read as both have it (notte.md)."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import (
    ADMIN,
    SESSIONS,
    Shared,
    ask,
    bearer,
    create,
    makes_nothing,
    new_key,
    sharing,
    start,
)

MINUTE_US = 60_000_000
# What today's client takes for a session (section 3.4).
NEWER_FIELDS = {
    "idle_timeout_minutes",
    "max_duration_minutes",
    "closed_at",
    "close_reason",
    "steps",
    "proxies",
    "browser_type",
    "network_request_bytes",
    "network_response_bytes",
    "user_agent",
    "viewport_width",
    "viewport_height",
    "solve_captchas",
    "cdp_url",
    "viewer_url",
    "web_bot_auth",
    "auth_ids",
    "system_hidden",
}
EARLY_FIELDS = {
    "session_id",
    "timeout_minutes",
    "created_at",
    "last_accessed_at",
    "duration",
    "status",
    "error",
}
# Section 2.2: the early client sends every field, nulls included.
EARLY_BODY = {
    "session_id": None,
    "keep_alive": True,
    "session_timeout_minutes": 5,
    "screenshot": None,
}

Client = Any
MINUTES_BAD: list[Any] = [0, -1, 31, 2.5, "5", True, None, []]
TIMEOUT_BAD: list[Any] = [0, 31, "10", {}, 10**30, 1e30]
KEEP_ALIVE_BAD: list[Any] = [1, "true", None, [], {}]
SCREENSHOT_BAD: list[Any] = [0, "yes", [], {}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service with room for the browsers of all these tests."""
    with sharing(tmp_path_factory.mktemp("shared"), browsers_max=200) as service:
        yield service


async def started(client: Client, body: Any = None, query: str = "", path: str = "") -> Any:
    answer = await client.post((path or "/notte/session/start") + query, json=body)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def native(client: Client, session_id: str) -> Any:
    answer = await client.get(f"/api/v1/sessions/{session_id}")
    assert answer.status == 200
    return await answer.json()


@pytest.mark.parametrize("path", ["/session/start", "/notte/session/start"])
async def test_2_1_start_works_with_and_without_the_prefix(client: Client, path: str) -> None:
    made = await started(client, EARLY_BODY, path=path)
    assert (await native(client, made["session_id"]))["dialect"] == "notte"


async def test_2_2_the_answer_is_a_full_session_response(client: Client) -> None:
    made = await started(client, EARLY_BODY)
    assert made.keys() >= EARLY_FIELDS
    assert made["timeout_minutes"] == 5
    assert made["status"] == "active"
    assert made["error"] is None
    assert made["duration"].startswith("PT")
    for name in ("created_at", "last_accessed_at"):
        assert made[name].endswith("Z")
        assert datetime.fromisoformat(made[name]).tzinfo is not None
    assert "detail" not in made, "section 3.7: today's client takes it for an error"


async def test_the_session_is_native_and_its_browser_opens_by_itself(client: Client) -> None:
    made = await started(client, EARLY_BODY)
    path = f"{SESSIONS}/{made['session_id']}?wait=status:running&timeout=60"
    state = await ask(client, "GET", path)
    assert (state["kind"], state["status"]) == ("browser", "running")
    assert state["idle_timeout_s"] == 300
    assert state["spec"] == {
        "session_timeout_minutes": 5,
        "keep_alive": True,
        "screenshot": None,
    }


@pytest.mark.parametrize("body", [b"", b"  \n", b"null", b"{}"])
async def test_2_4_the_body_may_be_missing(client: Client, body: bytes) -> None:
    answer = await client.post("/session/start", data=body)
    assert answer.status == 200, await answer.text()
    made = await answer.json()
    assert made["timeout_minutes"] == 5
    spec = (await native(client, made["session_id"]))["spec"]
    assert (spec["keep_alive"], spec["screenshot"]) == (False, None)


@pytest.mark.parametrize(
    ("body", "query", "minutes"),
    [
        ({}, "", 5),
        ({"session_timeout_minutes": 1}, "", 1),
        ({"session_timeout_minutes": 30}, "", 30),
        ({"session_timeout_minutes": 7.0}, "", 7),
        ({"session_timeout": 8}, "", 8),
        ({}, "?session_timeout=9", 9),
        ({}, "?session_timeout_minutes=11", 11),
        ({}, "?session_timeout_minutes=11&session_timeout=12", 11),
        ({"session_timeout": 8}, "?session_timeout_minutes=11", 8),
        ({"session_timeout_minutes": 3, "session_timeout": 8}, "?session_timeout=9", 3),
    ],
)
async def test_2_4_the_time_out_comes_from_body_or_query(
    client: Client, body: Any, query: str, minutes: int
) -> None:
    made = await started(client, body, query)
    assert made["timeout_minutes"] == made["idle_timeout_minutes"] == minutes
    state = await native(client, made["session_id"])
    assert state["idle_timeout_s"] == minutes * 60
    assert state["max_duration_s"] >= state["idle_timeout_s"]


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        ({"keep_alive": True, "screenshot": True}, "", (True, True)),
        ({"screenshot": False}, "?keep_alive=True", (True, False)),
        ({"keep_alive": False}, "?keep_alive=true&screenshot=1", (False, True)),
        ({"screenshot": None}, "?screenshot=False&keep_alive=no", (False, None)),
    ],
)
async def test_2_1_flags_come_from_body_or_query(
    client: Client, body: Any, query: str, expected: Any
) -> None:
    made = await started(client, body, query)
    spec = (await native(client, made["session_id"]))["spec"]
    assert (spec["keep_alive"], spec["screenshot"]) == expected


async def test_2_4_unknown_members_are_left_out(client: Client) -> None:
    made = await started(client, {**EARLY_BODY, "max_steps": 20}, "?trace=1")
    assert "max_steps" not in (await native(client, made["session_id"]))["spec"]


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"session_id": "01a200a3-4bc9-74da-9f5a-33d114fc16b0"}, ""),
        ({"session_id": ""}, ""),
        ({"session_id": 5}, ""),
        ({}, "?session_id=abc"),
        *(({"session_timeout_minutes": bad}, "") for bad in MINUTES_BAD),
        *(({"session_timeout": bad}, "") for bad in TIMEOUT_BAD),
        *(({}, f"?session_timeout={bad}") for bad in ("0", "31", "-5", "x", "", "9" * 5000)),
        ({"session_timeout_minutes": 5}, "?session_timeout=x"),
        *(({"keep_alive": bad}, "") for bad in KEEP_ALIVE_BAD),
        *(({"screenshot": bad}, "") for bad in SCREENSHOT_BAD),
        ({}, "?keep_alive=perhaps"),
        ({}, "?screenshot="),
        ([], ""),
        ("start", ""),
        (5, ""),
    ],
)
async def test_2_4_unusable_values_are_400(lone: Client, body: Any, query: str) -> None:
    error = await ask(lone, "POST", f"/notte/session/start{query}", 400, json=body)
    await makes_nothing(lone)
    assert error.keys() == {"status", "message", "detail"}
    assert error["status"] == 400
    assert isinstance(error["message"], str)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b'{"screenshot": 1e999}', b'{"keep_alive":"\\u0000"}', b"[" * 500]
)
async def test_3_7_a_body_that_is_no_json_is_a_json_error(client: Client, body: bytes) -> None:
    answer = await client.post("/notte/session/start", data=body)
    error = await answer.json()
    assert 400 <= answer.status < 500
    assert error["status"] == answer.status


async def test_3_4_read_back_is_a_superset_for_both_clients(client: Client) -> None:
    made = await started(client, EARLY_BODY)
    answer = await client.get(f"/notte/sessions/{made['session_id']}")
    assert answer.status == 200
    read = await answer.json()
    assert read.keys() >= EARLY_FIELDS | NEWER_FIELDS
    assert (read["proxies"], read["steps"], read["auth_ids"]) == (False, [], [])
    assert read["close_reason"] is None
    assert read["closed_at"] is None
    assert read["max_duration_minutes"] == 15
    # The browser is opened meanwhile, which is a use of the session.
    same = EARLY_FIELDS - {"duration", "last_accessed_at"}
    assert read["last_accessed_at"] >= made["last_accessed_at"]
    assert {name: read[name] for name in same} == {name: made[name] for name in same}


async def test_read_back_is_under_the_prefix_only(client: Client) -> None:
    made = await started(client)
    answer = await client.get(f"/sessions/{made['session_id']}")
    assert answer.status in (404, 405)


async def test_3_8_a_read_is_no_use_of_the_session(client: Client) -> None:
    made = await started(client)
    path = f"{SESSIONS}/{made['session_id']}?wait=status:running&timeout=60"
    await ask(client, "GET", path)
    before = await native(client, made["session_id"])
    path = f"/notte/sessions/{made['session_id']}"
    first = await ask(client, "GET", path)
    await asyncio.sleep(0.02)
    read = await ask(client, "GET", path)
    assert read["last_accessed_at"] == first["last_accessed_at"]
    assert await native(client, made["session_id"]) == before


@pytest.mark.parametrize(
    ("to", "reason", "shown"),
    [
        ("stopped", "requested", ("closed", "manual")),
        ("completed", "finished", ("closed", "manual")),
        ("stopped", "max_duration", ("closed", "max_duration")),
        ("timed_out", "idle_timeout", ("timed_out", "idle_timeout")),
        ("timed_out", "max_duration", ("timed_out", "max_duration")),
        ("failed", "runtime_failed", ("error", "error")),
        ("lost", "requested", ("error", "error")),
    ],
)
async def test_3_4_the_end_shows_with_its_reason(
    client: Client, to: str, reason: str, shown: Any
) -> None:
    session_id = (await started(client))["session_id"]
    moved = {"to": to, "reason": reason}
    path = f"/api/v1/sessions/{session_id}/transitions"
    assert (await client.post(path, json=moved)).status == 200
    read = await (await client.get(f"/notte/sessions/{session_id}")).json()
    assert (read["status"], read["close_reason"]) == shown
    assert read["closed_at"].endswith("Z")
    assert (read["error"] is not None) == (read["status"] == "error")


async def test_a_native_browser_session_is_read_through_notte(client: Client) -> None:
    made = await create(client, spec={"browser_type": 5})
    read = await ask(client, "GET", f"/notte/sessions/{made['id']}")
    assert (read["status"], read["timeout_minutes"]) == ("active", 15)


async def test_2_4_an_unknown_session_is_404(client: Client) -> None:
    agent = await create(client, "agent")
    deleted = (await started(client))["session_id"]
    assert (await client.delete(f"/api/v1/sessions/{deleted}")).status == 204
    for session_id in ("nope", "%00", "%ff", "a%2Fb", "x" * 3000, agent["id"], deleted):
        answer = await client.get(f"/notte/sessions/{session_id}")
        error = await answer.json()
        assert (answer.status, error["status"]) == (404, 404), session_id


async def test_3_7_unknown_routes_and_methods_answer_in_notte_s_words(client: Client) -> None:
    for method, path, status in (("GET", "/notte/x", 404), ("PUT", "/notte/session/start", 405)):
        answer = await client.request(method, path)
        assert (answer.status, (await answer.json())["status"]) == (status, status)


async def test_it_ends_after_its_idle_time(aiohttp_client: Any, tmp_path: Path) -> None:
    now = 1_800_000_000_000_000
    client = await start(aiohttp_client, tmp_path, clock_us=lambda: now)
    session_id = (await started(client, {"session_timeout_minutes": 1}))["session_id"]
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:running&timeout=60")
    now += MINUTE_US + 1
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:ended&timeout=60")
    read = await ask(client, "GET", f"/notte/sessions/{session_id}")
    assert (read["status"], read["close_reason"]) == ("timed_out", "idle_timeout")
    assert read["duration"].startswith("PT6")


async def test_2_4_a_wrong_key_is_401(aiohttp_client: Any, client: Client) -> None:
    session_id = (await started(client))["session_id"]
    revoked = await new_key(client)
    await ask(client, "DELETE", f"/api/v1/keys/{revoked['id']}")
    keyless = await aiohttp_client(client.server)
    wrong: list[dict[str, str]] = [{}, {"Authorization": ADMIN}, bearer("wrong"), bearer("")]
    for headers in [*wrong, {"Authorization": f"Basic {ADMIN}"}, bearer(revoked["key"])]:
        for method, path in (
            ("POST", "/session/start"),
            ("POST", "/notte/session/start"),
            ("GET", f"/notte/sessions/{session_id}"),
            ("GET", "/notte/sessions/unknown"),
        ):
            error = await ask(keyless, method, path, 401, headers=headers)
            assert error["status"] == 401
            assert ADMIN not in str(error)


async def test_keys_see_their_own_tenant_and_need_their_scope(
    aiohttp_client: Any, client: Client
) -> None:
    ours, theirs = await new_key(client, "ours"), await new_key(client, "theirs")
    reader = await new_key(client, "ours", "sessions:read", name="reader")
    keyless = await aiohttp_client(client.server)
    auth = bearer(ours["key"])
    made = await ask(keyless, "POST", "/session/start", headers=auth)
    path = f"/notte/sessions/{made['session_id']}"
    assert (await ask(keyless, "GET", path, headers=auth))["status"] == "active"
    assert (await ask(keyless, "GET", path, 404, headers=bearer(theirs["key"])))["status"] == 404
    await ask(keyless, "GET", path, headers=bearer(reader["key"]))
    error = await ask(keyless, "POST", "/session/start", 403, headers=bearer(reader["key"]))
    assert error["status"] == 403


async def test_a_restart_keeps_the_session_and_says_that_its_browser_is_gone(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path)
    made = await started(client, {"session_timeout_minutes": 30})
    await client.close()
    again = await start(aiohttp_client, tmp_path)
    read = await ask(again, "GET", f"/notte/sessions/{made['session_id']}")
    assert (read["status"], read["close_reason"]) == ("error", "error")
    assert "service" in read["error"]
    same = ("session_id", "created_at", "timeout_minutes", "max_duration_minutes")
    assert [read[name] for name in same] == [made[name] for name in same]
