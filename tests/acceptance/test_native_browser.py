"""The browser of a session in the native API: `GET /api/v1/sessions/{id}/browser`."""

from typing import Any

import pytest

from sessions.runtimes.browser.port import Ending
from tests.support.scripted_browsers import ScriptedBrowsers
from tests.support.service import SESSIONS, ask, bearer, create, new_key, refused, start

START = "/notte/sessions/start"


@pytest.fixture
def browsers() -> ScriptedBrowsers:
    return ScriptedBrowsers()


@pytest.fixture
async def client(aiohttp_client: Any, tmp_path: Any, browsers: ScriptedBrowsers) -> Any:
    return await start(aiohttp_client, tmp_path, browsers=browsers, browsers_max=1)


async def started(client: Any, **body: Any) -> str:
    session_id: str = (await ask(client, "POST", START, json=body))["session_id"]
    return session_id


async def reached(client: Any, session_id: str, status: str) -> Any:
    query = {"wait": f"status:{status}", "timeout": "60"}
    session = await ask(client, "GET", f"{SESSIONS}/{session_id}", params=query)
    assert session["status"] == status
    return session


async def view(client: Any, session_id: str, **query: str) -> Any:
    return await ask(client, "GET", f"{SESSIONS}/{session_id}/browser", params=query)


async def test_it_is_what_was_done_in_it(client: Any) -> None:
    session_id = await started(
        client, viewport_width=800, viewport_height=600, extra_http_headers={"X-Key": "secret"}
    )
    before = await reached(client, session_id, "running")
    page = f"/notte/sessions/{session_id}/page"
    action = {"type": "goto", "url": "https://a.test/"}
    await ask(client, "POST", f"{page}/execute", json=action)
    await ask(client, "POST", f"{page}/observe", json={})
    now = await view(client, session_id)
    told = {
        "session": session_id,
        "status": "running",
        "open": True,
        "queue_position": None,
        "version": "156.0.scripted",
        "viewport_width": 800,
        "viewport_height": 600,
        "header_names": ["X-Key"],
        "proxied": False,
        "url": "https://a.test/",
        "title": "Title of https://a.test/",
        "actions": 1,
        "observations": 1,
        "failures": 0,
        "request_bytes": 10,
        "response_bytes": 100,
        "closed_at": None,
        "recording": None,
    }
    assert {name: now[name] for name in told} == told
    then = await view(client, session_id, as_of=str(before["position"]))
    assert (then["actions"], then["url"], then["open"]) == (0, "", True)
    await ask(client, "DELETE", f"/notte/sessions/{session_id}/stop")
    over = await view(client, session_id)
    assert (over["status"], over["open"], over["reason"]) == ("stopped", False, "requested")
    assert (over["requests"], over["response_bytes"]) == (1, 100)
    artifact = f"{SESSIONS}/{session_id}/artifacts/{over['network']}"
    async with client.get(artifact) as answer:
        assert (await answer.text()).count("\n") == 1


async def test_who_waits_for_room_sees_its_place(client: Any) -> None:
    first, second, third = [await started(client) for _ in range(3)]
    await reached(client, first, "running")
    assert (await reached(client, third, "queued"))["reason"] == "capacity"
    places = [(await view(client, one))["queue_position"] for one in (first, second, third)]
    assert places == [None, 1, 2]
    await ask(client, "DELETE", f"{SESSIONS}/{first}", 204)
    await reached(client, second, "running")
    assert (await view(client, third))["queue_position"] == 1


async def test_metrics_tell_how_many_there_are(client: Any, browsers: ScriptedBrowsers) -> None:
    browsers.warm_count = 2
    first, _, third = [await started(client) for _ in range(3)]
    await reached(client, first, "running")
    await reached(client, third, "queued")
    async with client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    for name, browsers_, machines in (("inside", 1, 0), ("waiting", 2, 0), ("warm", 2, 0)):
        assert f'sessiond_runtime_{name}{{runtime="browsers"}} {browsers_}.0' in lines
        assert f'sessiond_runtime_{name}{{runtime="machines"}} {machines}.0' in lines


async def test_one_that_crashed_says_so(client: Any, browsers: ScriptedBrowsers) -> None:
    session_id = await started(client)
    await reached(client, session_id, "running")
    browsers.running[session_id].end(Ending(reason="runtime_failed", detail="the browser crashed"))
    session = await reached(client, session_id, "failed")
    assert (session["reason"], session["detail"]) == ("runtime_failed", "the browser crashed")
    seen = await view(client, session_id)
    assert (seen["open"], seen["reason"], seen["detail"]) == (
        False,
        "runtime_failed",
        "the browser crashed",
    )


async def test_it_is_there_for_those_who_may_see_it(client: Any) -> None:
    session_id = await started(client)
    path = f"{SESSIONS}/{session_id}/browser"
    other = await new_key(client, "elsewhere")
    headers = bearer(other["key"])
    await refused(client, "GET", path, 404, "not_found", headers=headers)
    await refused(client, "GET", path, 401, "unauthorized", headers=bearer("nonsense"))
    agent = await create(client, "agent")
    await refused(client, "GET", f"{SESSIONS}/{agent['id']}/browser", 404, "not_found")
    await refused(client, "GET", path, 400, "invalid_query", params={"wait": "x"})


async def test_a_session_made_here_has_a_browser_once_it_is_used(client: Any) -> None:
    session = await create(client, "browser")
    seen = await view(client, session["id"])
    assert (seen["open"], seen["requested_at"], seen["status"]) == (False, None, "pending")
    await ask(client, "POST", f"/notte/sessions/{session['id']}/page/observe", json={})
    seen = await view(client, session["id"])
    assert (seen["open"], seen["observations"], seen["status"]) == (True, 1, "running")
