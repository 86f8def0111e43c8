"""The replay of a visit over HTTP (contract notte.md sections 3.2 and 3.8): when there is one, how
players get it, and that nothing else stays of what was recorded.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from sessions.runtimes.browser.choice import HostBrowsers
from sessions.settings import Settings
from tests.support.browsers import needs_chromium
from tests.support.process import eventually
from tests.support.scripted_browsers import FILM, Script, ScriptedBrowsers
from tests.support.service import SESSIONS, ask, start
from tests.support.sites import serving

Client = Any
P = "/notte"
PATIENCE_S = 90.0


async def visited(client: Client, **action: Any) -> str:
    """A session in which something was done."""
    session_id: str = (await ask(client, "POST", f"{P}/sessions/start", json={}))["session_id"]
    path = f"{P}/sessions/{session_id}/page/execute"
    done = await ask(client, "POST", path, json=action or {"type": "reload"})
    assert done["success"], done
    return session_id


async def recorded(folder: Path, session_id: str) -> None:
    """Return when there is a picture of the session."""
    reel = folder / "data" / "recordings" / session_id
    there: Callable[[], bool] = lambda: any(reel.glob("*.jpg"))  # noqa: E731
    await eventually(there, PATIENCE_S, "a picture")


async def replay_of(client: Client, session_id: str) -> Any:
    """The replay of a session that is closed, as a client that waits for it has it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with client.get(f"{P}/sessions/{session_id}/replay") as answer:
                body = await answer.json()
                if answer.status == 200:
                    return body
                assert (answer.status, body["replay_status"]) == (404, "processing"), body
            await asyncio.sleep(0.05)


async def fetched(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What whoever has the address gets, without a key."""
    async with (
        aiohttp.ClientSession() as nobody,
        nobody.get(URL(url, encoded=True), headers=headers) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


def left(folder: Path) -> list[Path]:
    """What there is of recordings."""
    return sorted((folder / "data" / "recordings").rglob("*"))


async def test_a_closed_session_has_a_film(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start(aiohttp_client, tmp_path)
    session_id = await visited(client)
    await recorded(tmp_path, session_id)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    replay = await replay_of(client, session_id)
    status, headers, film = await fetched(replay["mp4_url"])
    assert (status, headers["Content-Type"], film) == (200, "video/mp4", FILM % 1)
    assert replay["video_duration_ms"] >= 1000
    history = await ask(client, "GET", f"{SESSIONS}/{session_id}/events")
    told = [event["type"] for item in history["items"] for event in item["events"]]
    assert told.index("browser.recorded") > told.index("browser.closed")
    assert told.count("browser.recorded") == 1
    assert told[told.index("browser.recorded") - 1] == "artifact.stored"
    await eventually(lambda: not left(tmp_path), PATIENCE_S, "the pictures to go")


async def test_a_player_may_begin_anywhere(aiohttp_client: Any, tmp_path: Path) -> None:
    client = await start(aiohttp_client, tmp_path)
    session_id = await visited(client)
    await recorded(tmp_path, session_id)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    url = (await replay_of(client, session_id))["mp4_url"]
    whole = FILM % 1
    status, headers, part = await fetched(url, Range="bytes=2-5")
    assert (status, part) == (206, whole[2:6])
    assert headers["Content-Range"] == f"bytes 2-5/{len(whole)}"
    status, headers, part = await fetched(url, Range=f"bytes={len(whole)}-")
    assert (status, part) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(whole)}"
    status, headers, _ = await fetched(url)
    assert (status, headers["Accept-Ranges"]) == (200, "bytes")
    status, _, _ = await fetched(url.partition("?")[0])
    assert status == 401


async def test_while_a_film_is_being_made_clients_ask_again(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    script = Script()
    script.then("film", "hang")
    client = await start(aiohttp_client, tmp_path, browsers=ScriptedBrowsers(script))
    session_id = await visited(client)
    await recorded(tmp_path, session_id)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    await asyncio.wait_for(script.entered.wait(), PATIENCE_S)
    error = await ask(client, "GET", f"{P}/sessions/{session_id}/replay", 404)
    assert (error["replay_status"], error["retryable"]) == ("processing", True)
    assert "still active" not in error["message"]


async def test_an_erased_session_leaves_neither_film_nor_pictures(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    script = Script()
    script.then("film", "hang")
    client = await start(aiohttp_client, tmp_path, browsers=ScriptedBrowsers(script))
    session_id = await visited(client)
    await recorded(tmp_path, session_id)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    await asyncio.wait_for(script.entered.wait(), PATIENCE_S)
    async with client.delete(f"{SESSIONS}/{session_id}?erase=true") as answer:
        assert answer.status in (200, 204), await answer.text()
    await eventually(lambda: not left(tmp_path), PATIENCE_S, "the pictures to go")


async def test_what_a_service_did_not_come_to_film_the_next_one_does(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path)
    session_id = await visited(client)
    await recorded(tmp_path, session_id)
    await client.close()
    assert left(tmp_path), "pictures outlive the service"
    client = await start(aiohttp_client, tmp_path)
    replay = await replay_of(client, session_id)
    assert (await fetched(replay["mp4_url"]))[2] == FILM % 1
    await eventually(lambda: not left(tmp_path), PATIENCE_S, "the pictures to go")


async def test_nothing_is_recorded_where_the_service_is_not_to(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path, browser_replays=False)
    session_id = await visited(client)
    await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
    error = await ask(client, "GET", f"{P}/sessions/{session_id}/replay", 404)
    assert (error["replay_status"], error["retryable"]) == ("unavailable", False)
    assert left(tmp_path) == []


@needs_chromium
@pytest.mark.slow  # a real browser, whose visit becomes a real film
async def test_the_film_of_a_real_visit(aiohttp_client: Any, tmp_path: Path) -> None:
    async with serving() as sites:
        settings = Settings(data=str(tmp_path / "data"), browser_allow=sites.host)
        client = await start(aiohttp_client, tmp_path, browsers=HostBrowsers(settings))
        session_id = await visited(client, type="goto", url=f"{sites.url}/")
        await recorded(tmp_path, session_id)
        await ask(client, "DELETE", f"{P}/sessions/{session_id}/stop")
        replay = await replay_of(client, session_id)
        status, headers, film = await fetched(replay["mp4_url"])
        assert (status, headers["Content-Type"], film[4:8]) == (200, "video/mp4", b"ftyp")
        assert b"avcC" in film
        await client.close()
