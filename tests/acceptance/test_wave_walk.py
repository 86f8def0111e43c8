"""A real browser walks through the tests of a session, as a device under test does."""

import asyncio

import aiohttp
import pytest

from tests.support.certificates import certificate
from tests.support.process import serving
from tests.support.reader import free_port
from tests.support.service import ask
from tests.support.wave_tests import (
    AUTOMATIC,
    MANUAL,
    SILENT,
    page,
    put,
    testharness,
    write_tests,
)
from tests.support.wave_walk import (
    FINISH,
    WALK_MS_MAX,
    chromium,
    next_of,
    results_of,
    started,
    status_of,
)

SHORT_MS = 700
IS_SECURE = "test(function () {}, location.protocol);"

pytestmark = pytest.mark.slow(reason="a browser is started")


@pytest.fixture
async def browser():
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def service(tmp_path):
    folder = write_tests(tmp_path / "tests", harness=testharness())
    async with serving(tmp_path / "data", "--wave-tests", str(folder)) as service:
        yield service


@pytest.fixture
async def client(service):
    async with aiohttp.ClientSession(service.url) as client:
        yield client


async def test_a_browser_walks_through_every_test_to_the_finish(browser, client):
    """Sections 3.1, 3.5, 3.6, 3.8 and 5.2: results are what the pages really did."""
    timeouts = {SILENT: SHORT_MS, "manual": SHORT_MS}
    token = await started(client, timeouts=timeouts)
    device = await browser.new_page()
    await device.goto(await next_of(client, token))
    await device.wait_for_url(FINISH, timeout=WALK_MS_MAX)
    assert await status_of(client, token) == "completed"
    found = await results_of(client, token)
    for path in (MANUAL, SILENT):
        assert found.pop(path)[0] == "TIMEOUT"
    assert found == {
        path: (outcome.status, outcome.subtests) for path, outcome in AUTOMATIC.items()
    }


async def test_somebody_at_the_device_does_what_a_manual_test_asks(browser, client):
    """Section 3.3."""
    token = await started(client, types=["manual"])
    device = await browser.new_page()
    await device.goto(await next_of(client, token))
    await device.click("#press")
    await device.wait_for_url(FINISH)
    assert await results_of(client, token) == {MANUAL: ("OK", {"pressed": "PASS"})}


async def test_a_page_without_a_token_just_shows_its_result(browser, client, service):
    """Section 5.2."""
    device = await browser.new_page()
    asked = []
    device.on("request", lambda request: asked.append(request.url))
    await device.goto(f"{service.url}/apiOne/passes.html")
    await device.wait_for_selector("#log #summary")
    assert not [url for url in asked if "/api/" in url]


async def test_a_result_that_cannot_be_sent_is_handed_to_the_page_for_it(browser, client):
    """Section 5.2: where the service stays away, a page of its own tries again."""
    token = await started(client, tests={"include": ["/apiOne/passes.html"]})
    device = await browser.new_page()
    await device.route("**/api/results/**", lambda route: route.abort())
    handed = asyncio.get_running_loop().create_future()

    async def take(route):
        handed.set_result(route.request.url)
        await route.abort()

    await device.route("**/submitresult.html*", take)
    await device.goto(await next_of(client, token))
    url = await asyncio.wait_for(handed, WALK_MS_MAX / 1000)
    assert f"token={token}&result=%7B%22test%22%3A%22%2FapiOne%2Fpasses.html%22" in url
    assert await results_of(client, token) == {}


async def test_a_result_gets_through_when_the_service_is_back_soon(browser, client):
    """Section 5.2: a restart in mid-test loses nothing."""
    token = await started(client, tests={"include": ["/apiOne/passes.html"]})
    device = await browser.new_page()
    tries = []

    async def twice_away(route):
        tries.append(route)
        await (route.abort() if len(tries) < 3 else route.continue_())

    await device.route("**/api/results/**", twice_away)
    await device.goto(await next_of(client, token))
    await device.wait_for_url(FINISH)
    assert await results_of(client, token) == {"/apiOne/passes.html": ("OK", {"passes": "PASS"})}


async def test_a_test_that_says_https_runs_over_tls(browser, tmp_path):
    """Sections 1.1 and 3.2: there and back again, in one session."""
    folder = write_tests(tmp_path / "tests", harness=testharness())
    for name in ("a.https.html", "b.html"):
        put(folder, f"/apiTls/{name}", page(IS_SECURE))
    cert, key = certificate(tmp_path)
    tls = ["--https-port", str(free_port()), "--tls-cert", str(cert), "--tls-key", str(key)]
    async with (
        serving(tmp_path / "data", "--wave-tests", str(folder), *tls, port=free_port()) as service,
        aiohttp.ClientSession(service.url) as client,
    ):
        token = await started(client, tests={"include": ["/apiTls"]})
        device = await (await browser.new_context(ignore_https_errors=True)).new_page()
        await device.goto(await next_of(client, token))
        await device.wait_for_url(FINISH)
        assert await results_of(client, token) == {
            "/apiTls/a.https.html": ("OK", {"https:": "PASS"}),
            "/apiTls/b.html": ("OK", {"http:": "PASS"}),
        }


async def test_a_page_that_may_call_nobody_hands_its_result_over_too(browser, tmp_path):
    """Section 5.2: what a page forbids its scripts does not hold up the run."""
    folder = write_tests(tmp_path / "tests", harness=testharness())
    policy = (
        "<meta http-equiv='Content-Security-Policy' content=\"connect-src 'none'; img-src 'none'\">"
    )
    put(folder, "/apiCsp/a.html", page('test(function () {}, "passes");', policy))
    async with (
        serving(tmp_path / "data", "--wave-tests", str(folder)) as service,
        aiohttp.ClientSession(service.url) as client,
    ):
        token = await started(client, tests={"include": ["/apiCsp"]})
        device = await browser.new_page()
        await device.goto(await next_of(client, token))
        await device.wait_for_url(FINISH)
        assert await results_of(client, token) == {"/apiCsp/a.html": ("OK", {"passes": "PASS"})}


async def test_a_paused_device_rests_until_somebody_goes_on(browser, client):
    """Sections 2.2 and 3.6: its events begin with the start, which is over."""
    token = await started(client, types=["manual"])
    await ask(client, "POST", f"/api/sessions/{token}/pause")
    device = await browser.new_page()
    checks, visited = [], []
    device.on("request", lambda request: checks.append(request))
    device.on("framenavigated", lambda frame: visited.append(frame.url))
    async with device.expect_request(lambda request: "/events?last_event=1&" in request.url):
        await device.goto(await next_of(client, token))
    # All that has happened is known to the page: what it found out is not to lead it away.
    for check in [request for request in checks if request.url.endswith("/status")]:
        await (await check.response()).finished()
    await device.get_by_text("Waiting to go on").wait_for()
    assert len(visited) == 1
    assert "/_wave/pause.html?" in device.url
    await ask(client, "POST", f"/api/sessions/{token}/start")
    await device.wait_for_url(f"**{MANUAL}**")
