"""Notte: today's life of a session: start, status, list, stop, files (notte.md, section 3)."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.notte import UNKNOWN, P, goto, running, started, status, stop, the_file
from tests.support.raw_files import holding
from tests.support.scripted_browsers import ScriptedBrowsers
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
Client = Any


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service with room for the browsers of all these tests."""
    with sharing(tmp_path_factory.mktemp("shared"), browsers_max=200) as service:
        yield service


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_3_3_nothing_has_to_be_said(client: Client, body: bytes) -> None:
    made = await ask(client, "POST", f"{P}/start", data=body)
    assert made["status"] == "active"
    assert (made["idle_timeout_minutes"], made["timeout_minutes"]) == (3, 3)
    assert made["max_duration_minutes"] == 15
    assert (made["browser_type"], made["proxies"], made["steps"]) == ("chromium", False, [])
    assert (made["close_reason"], made["closed_at"], made["error"]) == (None, None, None)
    assert datetime.fromisoformat(made["created_at"]).tzinfo is not None
    assert "detail" not in made


async def test_3_4_the_browser_shows_as_it_is(client: Client) -> None:
    body = {"viewport_width": 800, "viewport_height": 600, "user_agent": "Lab/1"}
    read = await status(client, await running(client, **body))
    assert (read["viewport_width"], read["viewport_height"]) == (800, 600)
    assert read["user_agent"] == "Lab/1"
    read = await status(client, await running(client, aspect_ratio="5:4"))
    assert (read["viewport_width"], read["viewport_height"]) == (1280, 1024)
    assert read["user_agent"] == "Scripted/156"


async def test_3_4_who_may_use_a_session_is_told_where_it_is_debugged(
    aiohttp_client: Any, client: Client
) -> None:
    reader = await new_key(client, "default", "sessions:read", name="reader")
    looking = await aiohttp_client(client.server, headers=bearer(reader["key"]))
    session_id = await running(client)
    read = await status(client, session_id)
    assert read["cdp_url"].startswith("ws://127.0.0.1")
    assert session_id in read["cdp_url"]
    assert read["viewer_url"].startswith("http://127.0.0.1")
    for shown in (await status(looking, session_id), await stop(client, session_id)):
        assert (shown["cdp_url"], shown["viewer_url"]) == (None, None)


async def test_3_3_headers_and_proxy_reach_the_browser_and_stand_nowhere_in_clear(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    browsers = ScriptedBrowsers()
    client = await start(aiohttp_client, tmp_path, browsers=browsers)
    proxy = {"type": "external", "server": "http://proxy.test:1", "password": "proxy-secret"}
    headers = {"X-Token": "header-secret"}
    session_id = await running(client, proxies=[proxy], extra_http_headers=headers)
    (browser,) = browsers.made
    assert browser.wanted.headers == headers
    assert browser.wanted.proxy is not None
    assert browser.wanted.proxy.password == "proxy-secret"
    assert (await status(client, session_id))["proxies"] is True
    await client.close()
    assert holding(tmp_path / "data", "header-secret") == []
    assert holding(tmp_path / "data", "proxy-secret") == []


async def test_3_4_bytes_are_counted_while_it_lives_and_after(client: Client) -> None:
    session_id = await running(client)
    await goto(client, session_id, "http://site.test/")
    alive = await status(client, session_id)
    assert (alive["network_request_bytes"], alive["network_response_bytes"]) == (10, 100)
    stopped = await stop(client, session_id)
    assert (stopped["network_request_bytes"], stopped["network_response_bytes"]) == (10, 100)


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"idle_timeout_minutes": 31},
        {"idle_timeout_minutes": 20},
        {"viewport_width": 499, "viewport_height": 500},
        {"proxies": "us"},
        {"vault_id": "v"},
        {"session_id": UNKNOWN},
        [],
        5,
    ],
)
async def test_3_3_what_is_wrong_is_422_and_makes_no_session(lone: Client, body: Any) -> None:
    error = await ask(lone, "POST", f"{P}/start", 422, json=body)
    await makes_nothing(lone)
    assert error.keys() == {"status", "message", "detail"}
    assert error["status"] == 422
    assert error["message"]
    for each in error["detail"]:
        assert each.keys() == {"loc", "msg", "type"}


async def test_3_8_stop_closes_and_may_be_repeated(client: Client) -> None:
    session_id = await running(client)
    stopped = await stop(client, session_id)
    assert (stopped["status"], stopped["close_reason"]) == ("closed", "manual")
    assert stopped["closed_at"].endswith("Z")
    assert await stop(client, session_id) == stopped
    assert await status(client, session_id) == stopped
    error = await ask(client, "POST", f"{P}/{session_id}/page/observe", 409, json={})
    assert "already closed" in error["message"]


async def test_3_8_a_session_stopped_before_its_browser_answers_is_closed(client: Client) -> None:
    stopped = await stop(client, (await started(client))["session_id"])
    assert stopped["status"] == "closed"


async def test_3_8_two_stops_at_once_are_one(client: Client) -> None:
    session_id = await running(client)
    one, other = await asyncio.gather(stop(client, session_id), stop(client, session_id))
    assert one == other
    assert one["status"] == "closed"


async def test_3_8_an_error_of_the_client_s_own_closes_too(client: Client) -> None:
    session_id = await running(client)
    stopped = await stop(client, session_id, query="?close_reason=error")
    assert (stopped["status"], stopped["close_reason"]) == ("closed", "error")
    native = await ask(client, "GET", f"{SESSIONS}/{session_id}")
    assert (native["status"], native["reason"]) == ("failed", "client_error")
    assert (await stop(client, session_id, query="?close_reason=manual")) == stopped
    await stop(client, session_id, 422, "?close_reason=bored")


async def test_1_the_older_name_of_stop_works(client: Client) -> None:
    session_id = await running(client)
    closed = await ask(client, "DELETE", f"{P}/{session_id}/close")
    assert closed["status"] == "closed"


@pytest.mark.parametrize(
    ("body", "minutes", "reason"),
    [
        ({"idle_timeout_minutes": 1}, 1, "idle_timeout"),
        ({"idle_timeout_minutes": 2, "max_duration_minutes": 2}, 2, "max_duration"),
    ],
)
async def test_3_8_both_clocks_end_it_and_a_stop_after_says_already_closed(
    aiohttp_client: Any, tmp_path: Path, body: Any, minutes: int, reason: str
) -> None:
    now = 1_800_000_000_000_000
    client = await start(aiohttp_client, tmp_path, clock_us=lambda: now)
    session_id = await running(client, **body)
    now += 30_000_000
    await goto(client, session_id, "http://site.test/")
    now += minutes * MINUTE_US - (0 if reason == "idle_timeout" else 30_000_000) + 1
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:ended&timeout=60")
    read = await status(client, session_id)
    assert (read["status"], read["close_reason"]) == ("timed_out", reason)
    error = await stop(client, session_id, 409)
    assert error["status"] == 409
    assert "already closed" in error["message"]


async def test_3_5_lists_are_pages_of_the_caller_s_sessions(lone: Client) -> None:
    made = [(await started(lone))["session_id"] for _ in range(5)]
    for path in (P, f"{P}/"):
        listed = await ask(lone, "GET", path)
        assert [each["session_id"] for each in listed["items"]] == made[::-1]
        assert (listed["page"], listed["page_size"]) == (1, 10)
        assert (listed["has_next"], listed["has_previous"]) == (False, False)
    seen: list[str] = []
    for page, more in ((1, True), (2, True), (3, False)):
        listed = await ask(lone, "GET", P, params={"page": str(page), "page_size": "2"})
        assert (listed["has_next"], listed["has_previous"]) == (more, page > 1)
        seen += [each["session_id"] for each in listed["items"]]
    assert seen == made[::-1]
    beyond = await ask(lone, "GET", P, params={"page": "10000", "page_size": "100"})
    assert (beyond["items"], beyond["has_next"]) == ([], False)


async def test_3_2_a_list_has_the_active_ones_unless_told_otherwise(lone: Client) -> None:
    kept, ended = [(await started(lone))["session_id"] for _ in range(2)]
    await stop(lone, ended)
    await create(lone, "agent")
    shown = await ask(lone, "GET", P, params={"only_active": "True"})
    assert [each["session_id"] for each in shown["items"]] == [kept]
    shown = await ask(lone, "GET", P, params={"only_active": "False", "include_system": "True"})
    assert [each["session_id"] for each in shown["items"]] == [ended, kept]
    assert shown["items"][0]["status"] == "closed"


async def test_3_2_a_list_may_be_of_one_key_alone(aiohttp_client: Any, client: Client) -> None:
    users = []
    for name in ("one", "other"):
        key = await new_key(client, "two of us", name=name)
        users.append(await aiohttp_client(client.server, headers=bearer(key["key"])))
    made = [(await started(user))["session_id"] for user in users]
    for user, session_id in zip(users, made, strict=True):
        whole = await ask(user, "GET", P)
        assert {each["session_id"] for each in whole["items"]} == set(made)
        own = await ask(user, "GET", P, params={"only_current_token": "true"})
        assert [each["session_id"] for each in own["items"]] == [session_id]


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=10001", "page_size=0", "page_size=101", "only_active=2"],
)
async def test_3_2_a_wrong_page_is_422(client: Client, query: str) -> None:
    error = await ask(client, "GET", f"{P}?{query}", 422)
    assert error["status"] == 422


async def test_3_2_no_session_waits_for_a_login(client: Client) -> None:
    session_id = await running(client)
    ready = await ask(client, "GET", f"{P}/{session_id}/auth")
    assert (ready["session_id"], ready["status"], ready["error"]) == (session_id, "active", None)
    await stop(client, session_id)
    assert (await ask(client, "GET", f"{P}/{session_id}/auth"))["status"] == "closed"


async def test_3_2_the_offset_counts_the_steps(client: Client) -> None:
    session_id = await running(client)
    assert await ask(client, "GET", f"{P}/{session_id}/offset") == {"offset": 0}
    await goto(client, session_id, "http://site.test/")
    await ask(client, "POST", f"{P}/{session_id}/page/observe", json={})
    assert await ask(client, "GET", f"{P}/{session_id}/offset") == {"offset": 2}


async def test_3_1_health_needs_no_key(aiohttp_client: Any, client: Client) -> None:
    keyless = await aiohttp_client(client.server)
    for path in ("/notte/health", "/notte//health"):
        health = await ask(keyless, "GET", path)
        assert health.keys() == {"status", "version", "description"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/usage"),
        ("GET", "/vaults"),
        ("POST", "/vaults/create"),
        ("GET", "/personas/"),
        ("POST", "/profiles/create"),
        ("POST", "/agents/start"),
        ("POST", "/scrape"),
        ("POST", "/functions/f/runs/start"),
        ("POST", f"/sessions/{UNKNOWN}/profile/save"),
        ("GET", f"/sessions/{UNKNOWN}/profile-preview"),
        ("GET", f"/sessions/{UNKNOWN}/payments"),
        ("POST", f"/sessions/{UNKNOWN}/page/execute/file"),
    ],
)
async def test_what_is_not_offered_says_so(
    aiohttp_client: Any, client: Client, method: str, path: str
) -> None:
    error = await ask(client, method, f"/notte{path}", 501)
    assert error["status"] == 501
    assert "does not offer" in error["message"]
    keyless = await aiohttp_client(client.server)
    await ask(keyless, method, f"/notte{path}", 401)


CALLS = (
    ("GET", ""),
    ("DELETE", "/stop"),
    ("GET", "/auth"),
    ("GET", "/offset"),
    ("GET", "/files"),
    ("POST", "/files"),
    ("GET", "/files/x"),
    ("DELETE", "/files/x"),
)


@pytest.mark.parametrize(("method", "below"), CALLS)
async def test_3_7_whose_session_it_is(
    aiohttp_client: Any, client: Client, method: str, below: str
) -> None:
    session_id = (await started(client))["session_id"]
    agent = await create(client, "agent")
    theirs = await new_key(client, "theirs")
    keyless = await aiohttp_client(client.server)
    asked: dict[str, Any] = {}
    for other in (UNKNOWN, agent["id"], "nope", "%00", "x" * 3000):
        if method == "POST":
            asked = {"data": the_file(b"x")}
        error = await ask(client, method, f"{P}/{other}{below}", 404, **asked)
        assert error["status"] == 404
    path = f"{P}/{session_id}{below}"
    for headers, code in (({}, 401), (bearer("wrong"), 401), (bearer(theirs["key"]), 404)):
        if method == "POST":
            asked = {"data": the_file(b"x")}
        error = await ask(keyless, method, path, code, headers=headers, **asked)
        assert error["status"] == code
        assert ADMIN not in str(error)
    if method != "GET":
        reader = await new_key(client, "default", "sessions:read", name="reader")
        await ask(keyless, method, path, 403, headers=bearer(reader["key"]))
    assert (await status(client, session_id))["status"] == "active"
