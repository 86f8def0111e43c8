"""Where a session of Notte is debugged and watched (contract sections 3.6 and 3.9)."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from sessions.app import wall_clock_us
from sessions.dialects.notte.looks import LOOKS_MAX
from tests.support.service import ask, bearer, new_key, sharing, start

WAIT_S = 60


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with sharing(tmp_path_factory.mktemp("shared"), browsers_max=200) as service:
        yield service


async def a_session(client) -> Any:
    """A session whose browser is on a page."""
    session = await ask(client, "POST", "/notte/sessions/start", json={})
    path = f"/notte/sessions/{session['session_id']}/page/execute"
    await ask(client, "POST", path, json={"type": "goto", "url": "https://a.example/x"})
    return session


def local(url: str) -> str:
    """The address without its place, which is the test client's own business."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def test_debug_tells_where_everything_is(client):
    session = await a_session(client)
    path = f"/notte/sessions/{session['session_id']}/debug"
    debug = await ask(client, "GET", path)
    assert set(debug) == {"debug_url", "ws", "tabs"}
    assert set(debug["ws"]) == {"cdp", "recording", "logs"}
    assert all(url.startswith("ws://") and "token=" in url for url in debug["ws"].values())
    assert debug["debug_url"].startswith("http://")
    assert debug["tabs"][0]["metadata"] == {
        "tab_id": 1,
        "title": "Title of https://a.example/x",
        "url": "https://a.example/x",
    }
    assert debug["tabs"][0]["ws_url"] == debug["ws"]["cdp"]
    tab = await ask(client, "GET", f"{path}/tab", params={"tab_idx": "0"})
    assert tab["metadata"]["tab_id"] == 1
    await ask(client, "GET", f"{path}/tab", 404, params={"tab_idx": "1"})
    await ask(client, "GET", f"{path}/tab", 422, params={"tab_idx": "x"})


async def test_the_addresses_are_told_in_the_session_too(client):
    session = await a_session(client)
    assert session["cdp_url"].startswith("ws://")
    assert session["viewer_url"].startswith("http://")
    listed = await ask(client, "GET", "/notte/sessions/")
    assert all(item["cdp_url"].startswith("ws://") for item in listed["items"])


async def test_who_may_only_read_is_not_told_how_to_act(client):
    session = await a_session(client)
    reader = bearer((await new_key(client, "default", "sessions:read"))["key"])
    path = f"/notte/sessions/{session['session_id']}"
    seen = await ask(client, "GET", path, headers=reader)
    assert (seen["cdp_url"], seen["viewer_url"]) == (None, None)
    await ask(client, "GET", f"{path}/debug", 403, headers=reader)
    await ask(client, "GET", f"{path}/debug/tab", 403, headers=reader)


async def test_another_tenant_has_no_such_session(client):
    session = await a_session(client)
    stranger = bearer((await new_key(client, "elsewhere", "sessions:write"))["key"])
    path = f"/notte/sessions/{session['session_id']}/debug"
    await ask(client, "GET", path, 404, headers=stranger)


@pytest.mark.parametrize("what", ["debug/cdp", "debug/recording", "debug/logs", "viewer"])
async def test_an_address_opens_its_own_place_and_no_other(client, what):
    """A key does not: the address is made for who has none (section 3.9)."""
    mine, other = await a_session(client), await a_session(client)
    path = f"/notte/sessions/{mine['session_id']}/{what}"
    query = urlsplit(mine["cdp_url"]).query
    for wrong in (
        path,
        f"{path}?token=",
        f"{path}?expires=1&token=x",
        f"{path}?expires=é&token=é",
        f"/notte/sessions/{other['session_id']}/{what}?{query}",
        *([] if what == "debug/cdp" else [f"{path}?{query}"]),
    ):
        assert (await client.get(wrong)).status == 401, wrong
        assert (await client.get(wrong, headers={"Connection": "Upgrade"})).status == 401, wrong


async def test_an_address_is_good_for_as_long_as_the_session_may_last(aiohttp_client, tmp_path):
    now = [wall_clock_us()]
    client = await start(aiohttp_client, tmp_path, clock_us=lambda: now[0])
    session = await a_session(client)
    assert (await client.get(local(session["viewer_url"]))).status == 200
    now[0] += (session["max_duration_minutes"] * 60 + 2) * 1_000_000
    assert (await client.get(local(session["viewer_url"]))).status == 401


@pytest.mark.parametrize("what", ["cdp", "recording", "logs"])
async def test_a_socket_wants_to_be_one(client, what):
    session = await a_session(client)
    debug = await ask(client, "GET", f"/notte/sessions/{session['session_id']}/debug")
    answer = await client.get(local(debug["ws"][what]))
    assert answer.status == 426
    assert answer.headers["Upgrade"] == "websocket"


async def test_the_recording_shows_pictures_until_the_end(client):
    session = await a_session(client)
    debug = await ask(client, "GET", f"/notte/sessions/{session['session_id']}/debug")
    async with (
        client.ws_connect(local(debug["ws"]["recording"])) as socket,
        asyncio.timeout(WAIT_S),
    ):
        await socket.send_str("means nothing")
        assert (await socket.receive_bytes()).startswith(b"\xff\xd8")
        await ask(client, "DELETE", f"/notte/sessions/{session['session_id']}/stop")
        await socket.receive()
        assert socket.close_code == 1001


async def test_the_logs_tell_what_was_asked_of_the_net(client):
    session = await a_session(client)
    debug = await ask(client, "GET", f"/notte/sessions/{session['session_id']}/debug")
    path = f"/notte/sessions/{session['session_id']}/page/execute"
    async with client.ws_connect(local(debug["ws"]["logs"])) as socket, asyncio.timeout(WAIT_S):
        first = msgspec.json.decode(await socket.receive_str())
        assert (first["type"], first["url"]) == ("network", "https://a.example/x")
        await ask(client, "POST", path, json={"type": "goto", "url": "https://b.example/"})
        second = msgspec.json.decode(await socket.receive_str())
        assert (second["url"], second["status"]) == ("https://b.example/", 200)


async def test_a_debugger_that_does_not_answer_is_told_by_the_end_of_the_socket(client):
    """The scripted browser has none."""
    session = await a_session(client)
    async with client.ws_connect(local(session["cdp_url"])) as socket, asyncio.timeout(WAIT_S):
        await socket.receive()
        assert socket.close_code == 1013


async def test_so_many_look_at_a_session_and_no_more(client):
    session = await a_session(client)
    debug = await ask(client, "GET", f"/notte/sessions/{session['session_id']}/debug")
    path = local(debug["ws"]["recording"])
    sockets = [await client.ws_connect(path) for _ in range(LOOKS_MAX)]
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert (await client.get(path, headers=upgrade)).status == 429
    await sockets.pop().close()
    async with asyncio.timeout(WAIT_S):
        again = await _as_soon_as_there_is_room(client, path)
        assert await again.receive_bytes()
        await again.close()
    for socket in sockets:
        await socket.close()


async def _as_soon_as_there_is_room(client, path: str) -> Any:
    while True:
        try:
            return await client.ws_connect(path)
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 429:
                raise
            await asyncio.sleep(0.01)


async def test_what_has_ended_is_not_debugged_any_more(client):
    session = await a_session(client)
    path = f"/notte/sessions/{session['session_id']}"
    await ask(client, "DELETE", f"{path}/stop")
    ended = await ask(client, "GET", path)
    assert (ended["cdp_url"], ended["viewer_url"]) == (None, None)
    answer = await client.get(f"{path}/debug")
    assert 400 <= answer.status < 500
    assert "already closed" in (await answer.json())["message"]
    viewer = await client.get(local(session["viewer_url"]))
    assert "has ended" in await viewer.text()
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    refused = await client.get(local(session["cdp_url"]), headers=upgrade)
    assert 400 <= refused.status < 500


async def test_the_viewer_runs_its_own_script_and_loads_nothing(client):
    session = await a_session(client)
    answer = await client.get(local(session["viewer_url"]))
    text = await answer.text()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"(src|href)=[\"']?http", text)
    assert session["session_id"] in text
