"""Notte's early API: pages, in sessions of the caller's and in ones for one call (notte.md, 2)."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

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

SITE = "http://site.test/"
OPERATIONS = ("observe", "scrape", "step")
UNKNOWN = "01a200a3-4bc9-74da-9f5a-33d114fc16b0"

Client = Any


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A service with room for the browsers of all these tests."""
    with sharing(tmp_path_factory.mktemp("shared"), browsers_max=200) as service:
        yield service


async def started(client: Client, **body: Any) -> str:
    """The id of a new session."""
    answer = await ask(client, "POST", "/session/start", json=body)
    session_id: str = answer["session_id"]
    return session_id


async def env(client: Client, operation: str, status: int = 200, **body: Any) -> Any:
    """The answer of an operation."""
    return await ask(client, "POST", f"/env/{operation}", status, json=body)


async def shown(client: Client, session_id: str) -> tuple[str, str | None]:
    """Status and close reason."""
    read = await ask(client, "GET", f"/notte/sessions/{session_id}")
    return read["status"], read["close_reason"]


@pytest.mark.parametrize("prefix", ["", "/notte"])
async def test_2_1_a_session_is_used_and_closed(client: Client, prefix: str) -> None:
    session_id = await started(client)
    body = {"session_id": session_id, "url": SITE}
    seen = await ask(client, "POST", f"{prefix}/env/observe", json=body)
    assert (seen["session"]["session_id"], seen["session"]["status"]) == (session_id, "active")
    assert (seen["metadata"]["url"], seen["title"]) == (SITE, f"Title of {SITE}")
    assert [each["id"] for each in seen["space"]["actions"]] == ["L1", "L2", "B1", "I1", "I2"]
    assert (seen["data"], seen["screenshot"]) == (None, None)
    body = {"session_id": session_id}
    closed = await ask(client, "POST", f"{prefix}/session/close", json=body)
    assert (closed["status"], closed["close_reason"]) == ("closed", "manual")
    assert await ask(client, "POST", f"{prefix}/session/close", json=body) == closed


async def test_2_2_what_an_observe_may_ask_for(client: Client) -> None:
    session_id = await started(client, screenshot=True)
    seen = await env(client, "observe", session_id=session_id, url=SITE, max_nb_actions=2)
    assert len(seen["space"]["actions"]) == 2
    assert base64.b64decode(seen["screenshot"]).startswith(b"\xff\xd8")
    seen = await env(client, "observe", session_id=session_id, screenshot=False)
    assert (seen["metadata"]["url"], seen["screenshot"]) == (SITE, None)


async def test_2_2_a_step_does_one_thing_and_looks(client: Client) -> None:
    session_id = await started(client)
    await env(client, "observe", session_id=session_id, url=SITE)
    seen = await env(client, "step", session_id=session_id, action_id="L1", value=None, enter=None)
    assert (seen["success"], seen["metadata"]["url"]) == (True, "https://first.test/")
    seen = await env(client, "step", session_id=session_id, action_id="S4")
    assert seen["metadata"]["url"] == SITE
    seen = await env(client, "step", session_id=session_id, action_id="S2")
    assert seen["data"]["markdown"].startswith(f"# {SITE}")
    seen = await env(client, "step", session_id=session_id, action_id="S3")
    assert base64.b64decode(seen["screenshot"]).startswith(b"\xff\xd8")
    seen = await env(client, "step", session_id=session_id, action_id="S8")
    assert (seen["session"]["status"], seen["space"]) == ("closed", None)
    assert seen["metadata"]["url"] == SITE


async def test_2_2_a_failed_step_is_200_and_says_why(client: Client) -> None:
    session_id = await started(client)
    for action_id, value in (("L99", None), ("S1", "http://site.test/refused")):
        seen = await env(client, "step", session_id=session_id, action_id=action_id, value=value)
        assert seen["success"] is False
        assert seen["message"].startswith(f"{action_id} failed: ")
        assert seen["session"]["error"] == seen["message"]
        assert seen["message"] in seen["space"]["description"]
        assert seen["session"]["status"] == "active"
    seen = await env(client, "step", session_id=session_id, action_id="S1", value=SITE)
    assert (seen["success"], seen["session"]["error"]) == (True, None)


async def test_2_2_a_scrape_reads(client: Client) -> None:
    session_id = await started(client)
    body: dict[str, Any] = {"session_id": session_id, "url": SITE, "scrape_images": True}
    read = await env(client, "scrape", **body, screenshot=True)
    assert read["data"]["markdown"].startswith(f"# {SITE}")
    assert [image["id"] for image in read["data"]["images"]] == ["F1"]
    assert (read["space"], read["screenshot"] is not None) == (None, True)
    read = await env(client, "scrape", session_id=session_id)
    assert (read["data"]["images"], read["screenshot"]) == (None, None)


@pytest.mark.parametrize("operation", ["observe", "scrape"])
async def test_2_3_without_a_session_one_is_opened_and_closed(
    client: Client, operation: str
) -> None:
    answer = await env(client, operation, session_id=None, url=SITE, keep_alive=False)
    assert answer["session"]["status"] == "closed"
    assert answer["session"]["close_reason"] == "manual"
    session_id = answer["session"]["session_id"]
    assert await shown(client, session_id) == ("closed", "manual")


async def test_2_3_one_that_is_kept_goes_on(client: Client) -> None:
    body: dict[str, Any] = {"keep_alive": True, "session_timeout_minutes": 9}
    answer = await env(client, "observe", url=SITE, **body)
    assert (answer["session"]["status"], answer["session"]["timeout_minutes"]) == ("active", 9)
    session_id = answer["session"]["session_id"]
    again = await env(client, "observe", session_id=session_id, keep_alive=False)
    assert (again["metadata"]["url"], again["session"]["status"]) == (SITE, "active")


async def test_2_1_a_session_started_for_one_operation_ends_with_it(client: Client) -> None:
    session_id = await started(client, keep_alive=False)
    kept = await env(client, "observe", session_id=session_id, url=SITE, keep_alive=True)
    assert kept["session"]["status"] == "active"
    seen = await env(client, "observe", session_id=session_id, keep_alive=False)
    assert (seen["metadata"]["url"], seen["session"]["status"]) == (SITE, "closed")


async def test_2_3_nothing_stays_open_where_the_page_fails(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    browsers = ScriptedBrowsers()
    client = await start(aiohttp_client, tmp_path, browsers=browsers)
    for operation in ("observe", "scrape"):
        for url, status in ((f"{SITE}refused", 422), (f"{SITE}blank", 422)):
            error = await env(client, operation, status, url=url, keep_alive=True)
            assert error["status"] == status
    assert len(browsers.made) == 4
    assert not browsers.running
    listed = await ask(client, "GET", "/notte/sessions")
    assert listed["items"] == []


async def test_2_3_a_session_of_the_caller_s_survives_a_page_that_fails(client: Client) -> None:
    session_id = await started(client, keep_alive=False)
    await env(client, "observe", 422, session_id=session_id, url=f"{SITE}refused")
    assert (await shown(client, session_id))[0] == "active"


async def test_2_2_a_step_gives_an_element_what_it_takes(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    browsers = ScriptedBrowsers()
    client = await start(aiohttp_client, tmp_path, browsers=browsers)
    session_id = await started(client)
    await env(client, "observe", session_id=session_id, url=SITE)
    body: dict[str, Any] = {"session_id": session_id, "action_id": "I1", "value": "Ada"}
    body["enter"] = True
    assert (await env(client, "step", **body))["success"]
    (browser,) = browsers.made
    done = browser.actions[-1]
    assert (done.type, done.id, done.value, done.press_enter) == ("fill", "I1", "Ada", True)
    assert browser.fields == {"I1": "Ada"}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_3_8_an_ended_session_says_that_it_is_closed(client: Client, operation: str) -> None:
    session_id = await started(client)
    await ask(client, "POST", "/session/close", json={"session_id": session_id})
    error = await env(client, operation, 409, session_id=session_id, action_id="S6")
    assert "already closed" in error["message"]


@pytest.mark.parametrize("operation", [*(f"env/{each}" for each in OPERATIONS), "session/close"])
async def test_2_4_whose_session_it_is(aiohttp_client: Any, client: Client, operation: str) -> None:
    theirs = await new_key(client, "theirs")
    reader = await new_key(client, "default", "sessions:read", name="reader")
    agent = await create(client, "agent")
    session_id = await started(client)
    keyless = await aiohttp_client(client.server)
    body = {"session_id": session_id, "action_id": "S6"}
    for other in (UNKNOWN, agent["id"], "nope"):
        asked = {**body, "session_id": other}
        error = await ask(client, "POST", f"/{operation}", 404, json=asked)
        assert error["status"] == 404
    for headers, status in (
        ({}, 401),
        (bearer("wrong"), 401),
        (bearer(theirs["key"]), 404),
        (bearer(reader["key"]), 403),
    ):
        error = await ask(keyless, "POST", f"/{operation}", status, json=body, headers=headers)
        assert error["status"] == status
        assert ADMIN not in str(error)
    assert (await shown(client, session_id))[0] == "active"


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("env/step", {"session_id": UNKNOWN}),
        ("env/step", {"session_id": None, "action_id": "L1"}),
        ("env/step", {"session_id": UNKNOWN, "action_id": "S1"}),
        ("env/observe", {"max_nb_actions": 0}),
        ("env/observe", {"session_timeout_minutes": 31}),
        ("env/scrape", {"scrape_images": "x"}),
        ("env/scrape", []),
        ("session/close", {}),
        ("session/close", None),
        ("session/close", {"session_id": None}),
        ("session/close", {"session_id": 5}),
    ],
)
async def test_2_4_unusable_values_are_400(lone: Client, operation: str, body: Any) -> None:
    error = await ask(lone, "POST", f"/{operation}", 400, json=body)
    await makes_nothing(lone)
    assert error["status"] == 400
    assert isinstance(error["message"], str)


async def test_a_browser_that_dies_meanwhile_is_a_clear_error(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    browsers = ScriptedBrowsers()
    browsers.script.then("observe", "die", "die")
    client = await start(aiohttp_client, tmp_path, browsers=browsers)
    error = await env(client, "observe", 502, url=SITE)
    assert error["status"] == 502
    session_id = await started(client)
    await env(client, "observe", 502, session_id=session_id, url=SITE)
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:ended&timeout=60")
    assert await shown(client, session_id) == ("error", "error")
    closed = await ask(client, "POST", "/session/close", json={"session_id": session_id})
    assert closed["status"] == "error"
    assert closed["error"]


async def test_where_there_are_no_browsers_it_is_said_at_once(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    browsers = ScriptedBrowsers()
    browsers.script.then("check", "unavailable", "unavailable", "unavailable")
    client = await start(aiohttp_client, tmp_path, browsers=browsers)
    for path in ("/session/start", "/notte/sessions/start", "/env/observe"):
        error = await ask(client, "POST", path, 501, json={})
        assert error["status"] == 501
        assert "Chromium" in error["message"]
    await makes_nothing(client)


async def test_who_finds_no_room_waits_for_it_and_is_told_so(
    aiohttp_client: Any, tmp_path: Any
) -> None:
    client = await start(aiohttp_client, tmp_path, browsers_max=1)
    first = await started(client)
    second = await started(client)
    read = await ask(client, "GET", f"/notte/sessions/{second}")
    assert (read["status"], read["queue_position"]) == ("active", 1)
    waiting = asyncio.create_task(env(client, "observe", session_id=second, url=SITE))
    await ask(client, "POST", "/session/close", json={"session_id": first})
    assert (await waiting)["metadata"]["url"] == SITE
    await ask(client, "POST", "/session/close", json={"session_id": second})
    read = await ask(client, "GET", f"/notte/sessions/{second}")
    assert (read["status"], read["queue_position"]) == ("closed", None)


async def test_many_at_once_are_each_a_session_of_their_own(client: Client) -> None:
    answers = await asyncio.gather(
        *(env(client, "observe", url=f"{SITE}{number}") for number in range(5))
    )
    assert len({answer["session_id"] for answer in answers}) == 5
    assert [answer["url"] for answer in answers] == [f"{SITE}{number}" for number in range(5)]
