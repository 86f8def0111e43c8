"""Playwright's own client over the address of a session's debugger (contract section 3.9)."""

import asyncio
import contextlib
import json
import os
import signal
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import Error, async_playwright, expect

from sessions.runtimes.browser.availability import find_chromium
from tests.support.browsers import chromium, needs_chromium
from tests.support.service import SESSIONS, ask, start
from tests.support.sites import serving

pytestmark = [pytest.mark.slow, needs_chromium]  # each starts a Chromium and a client's driver
WAIT_S = 120


@pytest.fixture
async def sites():
    async with serving() as served:
        yield served


@pytest.fixture
async def browsers(tmp_path, sites):
    return chromium(tmp_path, allow=sites.host)


@pytest.fixture
async def client(aiohttp_client, tmp_path, browsers):
    """An admin of a service with real browsers, which may visit the sites of the tests."""
    return await start(aiohttp_client, tmp_path, browsers=browsers)


async def a_session(client) -> Any:
    return await ask(client, "POST", "/notte/sessions/start", json={})


async def go(client, session: Any, url: str) -> None:
    path = f"/notte/sessions/{session['session_id']}/page/execute"
    done = await ask(client, "POST", path, json={"type": "goto", "url": url})
    assert done["success"], done


@contextlib.asynccontextmanager
async def connected(session: Any):
    """The context of the session as Playwright's client sees it."""
    async with async_playwright() as playwright, asyncio.timeout(WAIT_S):
        browser = await playwright.chromium.connect_over_cdp(session["cdp_url"])
        assert len(browser.contexts) == 1
        browser.contexts[0].set_default_timeout(WAIT_S * 1000)
        yield browser.contexts[0]
        await browser.close()


async def test_playwright_works_in_the_session_and_the_session_sees_it(client, sites):
    session = await a_session(client)
    await go(client, session, f"{sites.url}/links")
    async with connected(session) as context:
        (page,) = context.pages
        assert page.url == f"{sites.url}/links"
        await page.goto(f"{sites.url}/status?code=200")
        await page.evaluate("document.title = 'set by the client'")
        made = await context.new_page()
        await made.goto(f"{sites.url}/links")
        async with context.expect_page() as opened:
            await made.evaluate(f"window.open('{sites.url}/status?code=200')")
        popup = await opened.value
        await popup.wait_for_load_state()
        assert len(context.pages) == 3
        assert (await made.screenshot()).startswith(b"\x89PNG")
        await context.add_cookies([{"name": "a", "value": "b", "url": sites.url}])
        await made.close()
    # The client has left; what it did stays.
    path = f"/notte/sessions/{session['session_id']}"
    debug = await ask(client, "GET", f"{path}/debug")
    assert {tab["metadata"]["url"] for tab in debug["tabs"]} == {f"{sites.url}/status?code=200"}
    titles = [tab["metadata"]["title"] for tab in debug["tabs"]]
    assert "set by the client" in titles
    cookies = await ask(client, "GET", f"{path}/cookies")
    assert [(each["name"], each["value"]) for each in cookies["cookies"]] == [("a", "b")]
    assert (await ask(client, "GET", path))["status"] == "active"
    # That it has left is told once the service has noticed.
    async with asyncio.timeout(WAIT_S):
        while "browser.detached" not in (told := await facts_of(client, session)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "browser.attached" in told
    assert told["browser.detached"]["calls"] > 10


async def facts_of(client, session: Any) -> dict[str, Any]:
    """The last fact of each name in the session's history."""
    path = f"{SESSIONS}/{session['session_id']}/events?limit=200"
    history = await ask(client, "GET", path)
    return {event["type"]: event["data"] for item in history["items"] for event in item["events"]}


async def test_the_client_stays_in_its_session(client, sites):
    mine, other = await a_session(client), await a_session(client)
    await go(client, other, f"{sites.url}/links")
    async with connected(mine) as context:
        (page,) = context.pages
        for url in ("file:///etc/passwd", "chrome://version", "view-source:http://a/"):
            with pytest.raises(Error, match="Pages go to addresses of http and https"):
                await page.goto(url)
        assert context.browser is not None
        with pytest.raises(Error, match="not open to the debugger"):
            await context.browser.new_context()
        whole = await context.browser.new_browser_cdp_session()
        told = await whole.send("Target.getTargets")
        assert f"{sites.url}/links" not in [each["url"] for each in told["targetInfos"]]
        for method in ("Browser.close", "Browser.crash", "SystemInfo.getInfo", "Tracing.start"):
            with pytest.raises(Error, match="not open to the debugger"):
                await whole.send(method)
        chooser = await page.evaluate_handle("document.createElement('input')")
        await chooser.evaluate("(input) => { input.type = 'file'; document.body.append(input); }")
        direct = await context.new_cdp_session(page)
        document = await direct.send("DOM.getDocument")
        found = await direct.send(
            "DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": "input"}
        )
        with pytest.raises(Error, match="uploaded to its session"):
            await direct.send(
                "DOM.setFileInputFiles", {"nodeId": found["nodeId"], "files": ["/etc/passwd"]}
            )
        with pytest.raises(Error, match="TUNNEL"):
            await page.goto("https://169.254.169.254/")
    path = f"/notte/sessions/{other['session_id']}"
    assert (await ask(client, "GET", path))["status"] == "active"


async def test_the_end_of_the_session_is_the_end_of_the_connection(client):
    session = await a_session(client)
    parts = urlsplit(session["cdp_url"])
    socket = await client.ws_connect(f"{parts.path}?{parts.query}", max_msg_size=0)
    async with asyncio.timeout(WAIT_S):
        await socket.send_str(json.dumps({"id": 1, "method": "Browser.getVersion"}))
        assert "Chrome" in (await socket.receive_json())["result"]["product"]
        await ask(client, "DELETE", f"/notte/sessions/{session['session_id']}/stop")
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert socket.close_code == 1001


async def test_a_crash_of_the_browser_is_the_end_of_the_connection_too(client, browsers):
    session = await a_session(client)
    parts = urlsplit(session["cdp_url"])
    socket = await client.ws_connect(f"{parts.path}?{parts.query}", max_msg_size=0)
    async with asyncio.timeout(WAIT_S):
        await socket.send_str(json.dumps({"id": 1, "method": "Browser.getVersion"}))
        await socket.receive_json()
        os.kill(browsers.processes[0], signal.SIGKILL)
        await socket.receive()
        assert socket.close_code == 1001
        path = f"/notte/sessions/{session['session_id']}"
        while (ended := await ask(client, "GET", path))["status"] == "active":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert ended["status"] == "error"
    assert (await client.get(f"{path}/debug")).status in range(400, 500)


async def test_a_client_that_speaks_something_else_is_cut_off_and_the_session_goes_on(client):
    session = await a_session(client)
    parts = urlsplit(session["cdp_url"])
    for said, codes in (
        ("no json", {1007}),
        ("[]", {1007}),
        ('{"id":1}', {1007}),
        (b"\x00", {1007}),
        # What is still on its way when the socket is closed may take the reason with it.
        ("x" * ((16 << 20) + 1), {1009, 1006}),
    ):
        socket = await client.ws_connect(f"{parts.path}?{parts.query}")
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionError):
                await (
                    socket.send_bytes(said) if isinstance(said, bytes) else socket.send_str(said)
                )
            await socket.receive()
        assert socket.close_code in codes, said[:20]
    path = f"/notte/sessions/{session['session_id']}/page/observe"
    await ask(client, "POST", path, json={})


async def test_the_viewer_shows_what_the_browser_shows(client, sites):
    session = await a_session(client)
    await go(client, session, f"{sites.url}/status?code=200")
    found = find_chromium("")
    async with async_playwright() as playwright, asyncio.timeout(WAIT_S):
        watching = await playwright.chromium.launch(
            executable_path=found.program, chromium_sandbox=found.sandbox
        )
        page = await watching.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(session["viewer_url"])
        # By locators: the page's own policy refuses the evaluation that `wait_for_function` polls.
        width = "(image) => image.naturalWidth"
        while await page.locator("#picture").evaluate(width) <= 100:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await expect(page.locator("#log")).to_contain_text("200", timeout=WAIT_S * 1000)
        await expect(page.locator("#state")).to_have_text("live", timeout=WAIT_S * 1000)
        await ask(client, "DELETE", f"/notte/sessions/{session['session_id']}/stop")
        await expect(page.locator("#state")).to_contain_text("ended", timeout=WAIT_S * 1000)
        await watching.close()
    assert complaints == []


async def test_files_go_up_and_come_down(client, sites, tmp_path):
    session = await a_session(client)
    path = f"/notte/sessions/{session['session_id']}/files"
    local = tmp_path / "mine.txt"
    local.write_bytes(b"of the client")
    async with connected(session) as context:
        (page,) = context.pages
        await page.goto(f"{sites.url}/links")
        await page.evaluate("document.body.innerHTML = '<input type=file>'")
        await page.set_input_files("input", local)
        text = "document.querySelector('input').files[0].text()"
        assert await page.evaluate(text) == "of the client"
        await page.evaluate(f"location.href = '{sites.url}/file.txt'")
        # What comes down is the session's: the service keeps it, whoever clicked.
        while not (listed := await ask(client, "GET", path))["files"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert [file["source"] for file in listed["files"]] == ["session_download"]
