"""A browser walks on although a tab of it, or the service, is killed in mid-run."""

import asyncio

import aiohttp
import pytest

from tests.support.process import serving
from tests.support.reader import free_port
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
    release,
    results_of,
    started,
    status_of,
    write_gated,
)

SHORT_MS = 3000
AFTER_GATE = "/apiOne/c.html"

pytestmark = pytest.mark.slow(reason="a browser and a service are started, and killed")


@pytest.fixture
async def browser():
    async with chromium() as browser:
        yield browser


@pytest.fixture
def serve(tmp_path):
    """The service, each time on the same data and the same port."""
    folder = write_gated(tmp_path / "tests", testharness())
    port = free_port()
    return lambda: serving(tmp_path / "data", "--wave-tests", str(folder), port=port)


async def walked_to_the_gate(browser, client):
    """A session, and a page that is in the middle of one of its tests."""
    token = await started(client)
    device = await browser.new_page()
    await device.goto(await next_of(client, token))
    await at_gate(device)
    return token, device


async def finished(device):
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    await device.locator("#title:text-is('Finished')").wait_for()


async def ended(client, token):
    """Return when the last result is there."""
    async with asyncio.timeout(WALK_MS_MAX / 1000):
        while True:
            async with client.get(f"/_wave/api/sessions/{token}/status") as answer:
                if (await answer.json())["status"] == "completed":
                    return
            await asyncio.sleep(0.05)


async def test_a_tab_killed_in_mid_test_costs_that_test_and_no_other(browser, serve):
    """Sections 3.5 and 4: the service ends the test itself, once, and nobody runs it again."""
    device = await browser.new_context()
    asked = []
    device.on("request", lambda request: asked.append(request.url))
    async with serve() as service, aiohttp.ClientSession(service.url) as client:
        token = await started(client, timeouts={GATE: SHORT_MS})
        tab = await device.new_page()
        await tab.goto(await next_of(client, token))
        await at_gate(tab)
        await tab.close()
        tab = await device.new_page()
        await tab.goto(f"{service.url}/_wave/next.html?token={token}")
        await finished(tab)
        await ended(client, token)  # the device may be done before that test's time is over
        assert await results_of(client, token) == {
            **ENDS,
            GATE: ("TIMEOUT", {None: "TIMEOUT"}),
        }
        assert sorted(await completed_of(client, token)) == sorted(ENDS)
        assert await status_of(client, token) == "completed"
    assert len([url for url in asked if GATE in url]) == 1


async def before_the_result(device, service):
    """The browser cannot send what it has."""
    service.kill()


async def after_the_result(device, service):
    """The result is in the log, and the browser is never told."""

    async def take_and_die(route):
        answer = await route.fetch()
        assert answer.status == 200
        service.kill()
        await route.abort()

    await device.route("**/api/results/**", take_and_die, times=1)


async def before_the_next(device, service):
    """The browser knows that its result is in, and not where to go."""

    async def die(route):
        service.kill()
        await route.continue_()

    await device.route("**/api/tests/*/next", die, times=1)


@pytest.mark.parametrize("moment", [before_the_result, after_the_result, before_the_next])
async def test_the_browser_goes_on_by_itself_when_a_killed_service_is_back(browser, serve, moment):
    """Section 5.2: nobody touches the device, and every result is there, once."""
    async with serve() as service:
        async with aiohttp.ClientSession(service.url) as client:
            token, device = await walked_to_the_gate(browser, client)
            known = await results_of(client, token)
        assert known
        opened = []
        device.on("framenavigated", lambda frame: opened.append(frame.url))
        await moment(device, service)
        async with device.expect_event("requestfailed"):
            await release(device)
        assert await service.exited() < 0
    assert opened == []
    async with serve() as service, aiohttp.ClientSession(service.url) as client:
        await finished(device)
        assert known.items() <= (await results_of(client, token)).items()
        assert await results_of(client, token) == ENDS
        assert await completed_of(client, token) == list(ENDS)
        assert await status_of(client, token) == "completed"


def _is_report(request):
    """Whether it is what the page after the gate reports by, not that of the gate itself."""
    by = request.headers.get("referer", "")
    return request.url.endswith("/testharnessreport.js") and AFTER_GATE in by


async def test_a_page_that_a_killed_service_half_gave_is_loaded_anew(browser, serve):
    """Section 5.2: its harness is missing, so that it could never report."""
    async with serve() as service:
        async with aiohttp.ClientSession(service.url) as client:
            token, device = await walked_to_the_gate(browser, client)
        reported = asyncio.ensure_future(device.wait_for_event("requestfinished", _is_report))

        async def die(route):
            await reported
            service.kill()
            await route.continue_()

        await device.route("**/resources/testharness.js", die, times=1)
        async with device.expect_event("requestfailed"):
            await release(device)
        assert AFTER_GATE in device.url
    async with serve() as service, aiohttp.ClientSession(service.url) as client:
        await finished(device)
        assert await results_of(client, token) == ENDS
        assert await completed_of(client, token) == list(ENDS)


async def test_a_page_that_a_killed_service_never_gave_is_had_by_a_reload(browser, serve):
    """Section 3.6: the test went out before the service died, and is run after all."""
    async with serve() as service:
        async with aiohttp.ClientSession(service.url) as client:
            token, device = await walked_to_the_gate(browser, client)

        async def die(route):
            service.kill()
            await route.continue_()

        await device.route(f"**{AFTER_GATE}?**", die, times=1)
        async with device.expect_event("requestfailed"):
            await release(device)
        await device.wait_for_url("chrome-error:**")
    async with serve() as service, aiohttp.ClientSession(service.url) as client:
        await device.reload()
        await finished(device)
        assert await results_of(client, token) == ENDS
        assert await completed_of(client, token) == list(ENDS)


async def test_a_device_that_waits_is_there_again_when_a_killed_service_is_back(browser, serve):
    """Sections 1.5 and 4: it says what is wrong, then goes on as the device it was."""
    async with serve() as service:
        device = await browser.new_page()
        await device.goto(f"{service.url}/_wave/")
        await device.locator("#message:text-is('Waiting for a start')").wait_for()
        service.kill()
        await device.locator("#message.bad:has-text('cannot be reached')").wait_for()
    async with serve() as service, aiohttp.ClientSession(service.url) as client:
        await device.locator("#message:text-is('Waiting for a start')").wait_for()
        registered = [each["token"] for each in await ask(client, "GET", "/api/devices")]
        assert registered == [await device.locator("#device").text_content()]
        token = await device.locator("#token").text_content()
        await ask(client, "POST", f"/api/sessions/{token}/start")
        await at_gate(device)
