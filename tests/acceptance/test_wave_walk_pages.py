"""What people do with the pages while a browser walks: choose, start, pause, watch, compare."""

import json

import aiohttp
import pytest

from tests.support.process import serving
from tests.support.service import ask
from tests.support.wave_tests import testharness
from tests.support.wave_walk import (
    ENDS,
    FINISH,
    GATE,
    WALK_MS_MAX,
    at_gate,
    chromium,
    completed_of,
    next_of,
    pending,
    release,
    results_of,
    started,
    status_of,
    write_gated,
)

PRESSES_MAX = 60

pytestmark = pytest.mark.slow(reason="a browser is started")


@pytest.fixture
async def browser():
    async with chromium() as browser:
        yield browser


@pytest.fixture
def folder(tmp_path):
    return write_gated(tmp_path / "tests", testharness())


@pytest.fixture
async def service(tmp_path, folder):
    async with serving(tmp_path / "data", "--wave-tests", str(folder)) as service:
        yield service


@pytest.fixture
async def client(service):
    async with aiohttp.ClientSession(service.url) as client:
        yield client


def at(service, page, query=""):
    return f"{service.url}/_wave/{page}.html" + (f"?{query}" if query else "")


async def walked(browser, client, **context):
    """A session that a browser has walked through."""
    token = await started(client)
    device = await browser.new_page(**context)
    await device.goto(await next_of(client, token))
    await at_gate(device)
    await release(device)
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    await device.close()
    return token


async def shows(page, selector, text):
    """Wait until an element has exactly this text."""
    await page.locator(f"{selector}:text-is({json.dumps(text)})").wait_for()


async def test_a_run_is_paused_and_goes_on_from_a_second_device(browser, client, service):
    """Sections 2.2 and 3.6: the test that runs is finished, and no result is missing."""
    token = await started(client)
    device, hand = await browser.new_page(), await browser.new_page()
    await device.goto(await next_of(client, token))
    await at_gate(device)
    await hand.goto(at(service, "results", f"token={token}"))
    await hand.click("#pause")
    await shows(hand, "#state", "paused")
    await release(device)
    await device.wait_for_url("**/_wave/pause.html?*", timeout=WALK_MS_MAX)
    await shows(device, "#message", "Waiting to go on")
    assert list(await results_of(client, token)) == ["/apiOne/a.html", GATE]
    await hand.click("#start")
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    await shows(hand, "#state", "completed")
    assert await results_of(client, token) == ENDS
    assert await completed_of(client, token) == list(ENDS)


async def test_a_device_that_waits_is_sent_to_a_session(browser, client, service):
    """Sections 1.5 and 4: `start_session`, on the channel of the device."""
    device = await browser.new_page()
    await device.goto(at(service, "index"))
    await shows(device, "#message", "Waiting for a start")
    (registered,) = await ask(client, "GET", "/api/devices")
    assert await device.locator("#device").text_content() == registered["token"]
    token = await started(client, tests={"include": ["/apiTwo"]})
    event = {"type": "start_session", "data": {"session_token": token}}
    await ask(client, "POST", f"/api/devices/{registered['token']}/events", json=event)
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    assert f"token={token}" in device.url
    assert await results_of(client, token) == {"/apiTwo/d.html": ENDS["/apiTwo/d.html"]}


async def reach(page, key, selector):
    """Press an arrow until the focus is on an element that anybody can see."""
    there = page.locator(f"{selector}:focus:visible")
    for _ in range(PRESSES_MAX):
        if await there.count():
            return
        await page.keyboard.press(key)
    pytest.fail(f"{key} never comes to {selector}")


async def test_a_session_is_configured_and_started_with_keys_alone(browser, client, service):
    """Sections 1.2 and 1.7: as with a remote control; the code is what the device shows."""
    device = await (await browser.new_context()).new_page()
    await device.goto(at(service, "index"))
    await shows(device, "#message", "Waiting for a start")
    code = await device.locator("#short").text_content()
    hand = await (await browser.new_context()).new_page()
    await hand.goto(await device.locator("#address").text_content())
    await hand.locator("#fragment:focus").wait_for()
    await hand.keyboard.type(code)
    await hand.keyboard.press("Enter")
    await hand.locator("#start:focus").wait_for()
    await reach(hand, "ArrowDown", "label:has-text('apiOne') input")
    await reach(hand, "ArrowRight", "label:has-text('apiTwo') input")
    await hand.keyboard.press("Enter")
    await shows(hand, "#chosen", "1 of 2 apis, up to 3 tests")
    await reach(hand, "ArrowDown", "#exclude")
    await hand.keyboard.type(GATE)
    await reach(hand, "Tab", "#labels")
    await hand.keyboard.type("tv-lab, Küche")
    await reach(hand, "ArrowUp", "#start")
    await hand.keyboard.press("Enter")
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    await shows(hand, "#progress", "2 of 2 tests done")
    token = await hand.locator("#token").text_content()
    assert token.startswith(code)
    expected = {path: ENDS[path] for path in ("/apiOne/a.html", "/apiOne/c.html")}
    assert await results_of(client, token) == expected
    session = await ask(client, "GET", f"/api/sessions/{token}")
    assert session["labels"] == ["tv-lab", "Küche"]
    assert session["tests"] == {"include": ["/apiOne/"], "exclude": [GATE]}
    await device.locator("#results:focus").wait_for()
    await device.keyboard.press("Enter")
    await device.wait_for_url(f"**/_wave/results.html?token={token}")


async def test_results_are_watched_while_they_come(browser, client, service):
    """Section 1.4: what is shown is what `compact` says, without a reload."""
    token = await started(client)
    device, hand = await browser.new_page(), await browser.new_page()
    await device.goto(await next_of(client, token))
    await at_gate(device)
    await hand.goto(at(service, "results", f"token={token}"))
    opened = []
    hand.on("framenavigated", lambda frame: opened.append(frame.url))
    await shows(hand, "#progress", "1 of 4 tests done")
    assert await table(hand) == [
        ["apiOne", "1 / 3", "1", "0", "0", "0", "JSON"],
        ["apiTwo", "0 / 1", "0", "0", "0", "0", ""],
    ]
    await shows(hand, "#running span", GATE)
    await release(device)
    await shows(hand, "#progress", "4 of 4 tests done")
    await shows(hand, "#state", "completed")
    assert await table(hand) == [
        ["apiOne", "3 / 3", "2", "1", "0", "0", "JSON"],
        ["apiTwo", "1 / 1", "2", "0", "0", "0", "JSON"],
    ]
    await hand.locator("#last_fail:has-text('/apiOne/c.html')").wait_for()
    await hand.locator("#running:empty").wait_for(state="attached")
    assert opened == []
    compact = await ask(client, "GET", f"/api/results/{token}/compact")
    counts = {"pass": 2, "fail": 1, "timeout": 0, "not_run": 0}
    assert compact["apiOne"] == {**counts, "total": 3, "complete": 3}


async def table(page, body="#apis"):
    rows = await page.locator(f"{body} tr").all()
    cells = [await row.locator("th, td").all_inner_texts() for row in rows]
    return [[" ".join(text.split()) for text in texts] for texts in cells]


async def test_two_browsers_are_compared(browser, client, service):
    """Sections 1.4 and 1.7: by api, and test by test where they differ."""
    tokens = [await walked(browser, client), await walked(browser, client, user_agent="Other/1.0")]
    page = await browser.new_page()
    await page.goto(at(service, "overview"))
    for token in tokens:
        await page.locator(f".card:has-text('{token[:8]}')").get_by_label("Compare").check()
    await page.click("#compare:not([disabled])")
    await page.locator("#rows tr").first.wait_for()
    assert await table(page, "#rows") == [
        ["apiOne", "2 / 3 (66.7 %)", "2 / 3 (66.7 %)"],
        ["apiTwo", "2 / 2 (100 %)", "1 / 2 (50 %)"],
    ]
    await page.get_by_role("button", name="Tests of apiTwo").click()
    await shows(page, "#found", "1 of 1 tests. Shown is how many subtests passed.")
    assert await table(page, "#tests") == [["/apiTwo/d.html", "2 / 2", "1 / 2"]]
    await page.get_by_role("button", name="Tests of apiOne").click()
    await shows(page, "#found", "0 of 3 tests. Shown is how many subtests passed.")


async def test_an_export_is_imported_into_another_service(browser, client, service, tmp_path):
    """Section 1.4: from page to page, as a file; once."""
    token = await walked(browser, client)
    page = await browser.new_page()
    await page.goto(at(service, "results", f"token={token}"))
    async with page.expect_download() as downloading:
        await page.click("#export")
    exported = tmp_path / "export.zip"
    await (await downloading.value).save_as(exported)
    before = await results_of(client, token)
    async with (
        serving(tmp_path / "other") as other,
        aiohttp.ClientSession(other.url) as there,
    ):
        await page.goto(at(other, "overview"))
        await page.set_input_files("#file", exported)
        await page.click("#import button")
        await page.wait_for_url(f"**/_wave/results.html?token={token}")
        await shows(page, "#state", "completed")
        await shows(page, "#progress", "4 of 4 tests done")
        assert (await table(page))[0][:4] == ["apiOne", "3 / 3", "2", "1"]
        assert await results_of(there, token) == before == ENDS
        await page.goto(at(other, "overview"))
        await page.locator(f".card:has-text('{token[:8]}')").wait_for()
        await page.set_input_files("#file", exported)
        await page.click("#import button")
        await page.locator("#message.bad:has-text('Session already exists!')").wait_for()


async def test_no_page_has_anything_to_complain_of(browser, client, service):
    """Section 1.7: no error on the console, no script that fails, nothing that is not there."""
    done = await walked(browser, client)
    paused = await started(client)
    await ask(client, "POST", f"/api/sessions/{paused}/pause")
    waiting = await pending(client)
    result = "%7B%22test%22%3A%22%2FapiOne%2Fa.html%22%2C%22status%22%3A0%7D"
    pages = {
        at(service, "index"): "#message:text-is('Waiting for a start')",
        at(service, "newsession", f"token={waiting}"): "#message:text-is('Waiting for a start')",
        at(service, "next", f"token={done}"): "#title:text-is('Finished')",
        at(service, "pause", f"token={paused}"): "#message:text-is('Waiting to go on')",
        at(service, "finish", f"token={done}"): "#not_run:text-is('0 not run')",
        at(service, "submitresult", f"token={done}&result={result}"): "#title:text-is('Finished')",
        at(service, "configuration"): "#fragment:focus",
        at(service, "configuration", f"token={waiting}"): "#start:focus",
        at(service, "results", f"token={done}"): "#last_fail:has-text('/apiOne/c.html')",
        at(service, "comparison", f"tokens={done},{paused}"): "#rows tr:nth-child(2)",
        at(service, "overview"): f".card:has-text('{waiting[:8]}')",
        at(service, "test"): "#message.good",
        f"{service.url}/apiTwo/d.html": "#summary",
    }
    context = await browser.new_context()
    complaints: list[object] = []
    context.on("weberror", lambda found: complaints.append(str(found.error)))
    context.on("console", lambda said: complaints.append((said.type, said.text)))

    def answered(got):
        if not got.ok:
            complaints.append((got.status, got.url))

    context.on("response", answered)
    for url, settled in pages.items():
        page = await context.new_page()
        await page.goto(url)
        await page.locator(settled).wait_for()
        await page.close()
    assert complaints == []
    async with client.get("/favicon.ico") as icon:
        assert (icon.status, icon.content_type) == (200, "image/svg+xml")
    assert await status_of(client, waiting) == "pending"
