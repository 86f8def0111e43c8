"""WAVE: a run from its start to its end. Sections are those of the WAVE contract."""

import asyncio
from typing import Any

import pytest
import structlog
from yarl import URL

from sessions import timers
from sessions.web.appkeys import SETTINGS
from tests.support import service
from tests.support.feeds import observe
from tests.support.logs import Clock
from tests.support.service import SESSIONS, ask, bearer, start
from tests.support.wave import (
    few_tests,
    lists_of,
    make,
    next_url,
    order,
    pages_at,
    report,
    started,
    status_of,
)

ADMIN = bearer(service.ADMIN)
ONE_A, ONE_B, TWO_C = TESTS = ["/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"]
POLLS_MAX = 12_000
TIMED_OUT = {
    "test": ONE_A,
    "status": "TIMEOUT",
    "message": None,
    "subtests": [{"status": "TIMEOUT", "xstatus": "SERVERTIMEOUT"}],
    "logs": [],
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(timers, "TICK_S", 0.005)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def serve(aiohttp_client, tmp_path, clock):
    """Start the service; close its client before the next."""

    async def served(tests=None, **settings):
        folder = few_tests(tmp_path) if tests is None else pages_at(tmp_path, *tests)
        return await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=folder, **settings)

    return served


@pytest.fixture
async def client(serve):
    return await serve()


async def results_of(client, token):
    """The results of a session by API."""
    return await ask(client, "GET", f"/api/results/{token}")


async def history(client, token):
    """The commits of a session, each as the types of its events."""
    page = await ask(client, "GET", f"{SESSIONS}/{token}/events?limit=200")
    return [[event["type"] for event in commit["events"]] for commit in page["items"]]


async def until_running(client, token, running):
    """Wait until so many tests are out."""
    for _ in range(POLLS_MAX):
        if len((await lists_of(client, token))[1]) == running:
            return
        await asyncio.sleep(0.005)
    pytest.fail(f"there are never {running} tests out")


async def test_a_device_walks_through_all_tests(client):
    """Sections 2.2 and 3.6: with the last result the session is completed, in the same commit."""
    token = await started(client)
    for path in TESTS:
        assert (await next_url(client, token)).path == path
        assert (await status_of(client, token))["status"] == "running"
        await report(client, token, path, subtests=[{"name": "x", "status": "PASS"}])
    found = await status_of(client, token)
    assert found["status"] == "completed"
    assert found["date_finished"] is not None
    assert await lists_of(client, token) == [[], [], TESTS]
    begun = ["artifact.stored", "tests.selected", "session.status_changed"]
    assert (await history(client, token))[1:] == [
        begun,
        *[["test.started"], ["test.completed"]] * 2,
        ["test.started"],
        ["test.completed", "session.status_changed"],
    ]
    session = await ask(client, "GET", f"{SESSIONS}/{token}")
    assert (session["status"], session["reason"]) == ("completed", "finished")
    counts = [session[f"tests_{name}"] for name in ("total", "running", "completed")]
    assert counts == [3, 0, 3]


async def test_the_pages_of_a_session_that_has_no_test_to_give(client):
    """Section 3.6."""
    token = await make(client)

    async def page():
        url = await next_url(client, token)
        assert url.query == {"token": token}
        return url.path

    assert await page() == "/_wave/newsession.html"
    await order(client, token, "start")
    await next_url(client, token)
    await order(client, token, "pause")
    assert await page() == "/_wave/pause.html"
    await order(client, token, "start")
    assert (await next_url(client, token)).path == ONE_B
    await next_url(client, token)
    assert await page() == "/_wave/finish.html"  # all are out, none has a result
    assert (await status_of(client, token))["status"] == "running"
    await order(client, token, "stop")
    assert await page() == "/_wave/finish.html"


async def test_where_a_test_is(serve):
    """Sections 3.2 and 3.6: the host is the one that the device asked."""
    client = await serve()
    body = {"tests": {"include": ["/apiOne?x=1"]}, "timeouts": {"/apiOne/a": 1500.5}}
    token = await started(client, body)
    answer = await client.get(f"/api/tests/{token}/next", headers={"Host": "tv.test:81"})
    url = (await answer.json())["next_test"]
    assert url.startswith(f"http://tv.test:81/apiOne/a.html?token={token}&timeout=1500.5&")
    assert "x=1" in url
    assert "&web_root=/_wave/&" in url
    hosts = {"tv.test": 80, "[::1]:82": 82, "[::1]": 80, "a b": 80, "x:65535": 65_535}
    # What says no port that could be one is sent to that of the service.
    wrong = ("x:65536", "x:0", "x:-1", "x:99999999999", "x:", ":", "x:%00", "x:\u0662")
    for host, port in (hosts | dict.fromkeys(wrong, client.server.app[SETTINGS].port)).items():
        answer = await client.get(f"/api/tests/{token}/next", headers={"Host": host})
        assert answer.status == 200, host
        assert URL((await answer.json())["next_test"]).port == port, host


async def test_a_session_without_tests_is_completed_when_it_starts(client):
    """Section 3.6: in the original it runs for ever."""
    nothing: list[Any] = [{"types": []}, {"tests": {"include": ["/nothing"]}}]
    for body in nothing:
        token = await started(client, body)
        assert (await status_of(client, token))["status"] == "completed"
        assert (await next_url(client, token)).path == "/_wave/finish.html"


async def test_a_session_that_never_was_is_not_started_nor_completed(client):
    """Sections 1.2 and 1.4."""
    for token in ("0" * 36, "x", "%00"):
        assert (await client.post(f"/api/sessions/{token}/start")).status == 200
        assert (await client.get(f"/api/tests/{token}/next")).status == 404
        assert (await client.get(f"/api/tests/{token}")).status == 404
        await report(client, token, ONE_A)


async def test_results_of_tests_that_are_not_out_are_ignored(client):
    """Sections 1.4 and 2.2; the log of the service tells of each."""
    token = await started(client)
    await next_url(client, token)
    with structlog.testing.capture_logs() as logs:
        for path in (ONE_B, "/nothing", "../../etc/passwd", "/apiOne/../apiOne/a.html"):
            await report(client, token, path)
        await report(client, token, ONE_A)
        await report(client, token, ONE_A, "ERROR")
    told = [line for line in logs if line["event"] == "result.refused"]
    assert [line["test"] for line in told][-1] == ONE_A
    assert len(told) == 5
    assert (await results_of(client, token))["apiOne"][0]["status"] == "OK"
    assert await lists_of(client, token) == [[ONE_B, TWO_C], [], [ONE_A]]


@pytest.mark.parametrize(("command", "after"), [("pause", "completed"), ("stop", "aborted")])
async def test_results_are_taken_after_a_pause_and_a_stop(client, command, after):
    """Section 2.2: the last one completes a paused session, and not an aborted one."""
    token = await started(client)
    for _ in TESTS:
        await next_url(client, token)
    await order(client, token, command)
    before = await status_of(client, token)
    for path in TESTS:
        await report(client, token, path)
    found = await status_of(client, token)
    assert found["status"] == after
    if after == "aborted":
        assert found == before
    assert await lists_of(client, token) == [[], [], TESTS]


async def test_what_came_after_a_deletion_is_ignored(client):
    """Section 1.2."""
    token = await started(client)
    await next_url(client, token)
    assert (await client.delete(f"/api/sessions/{token}")).status == 200
    await report(client, token, ONE_A)
    for path in ("", "/next", "/malfunctioning"):
        answer = await client.get(f"/api/tests/{token}{path}")
        assert (answer.status, await answer.read()) == (404, b"")
    assert "test.completed" not in str(await history(client, token))


async def test_a_test_that_does_not_report_is_given_up(client, clock):
    """Section 3.5: also while the session is paused, and after it was stopped."""
    timeouts = {"automatic": 1000, "/apiOne/b": 2000}
    token = await started(client, {"timeouts": timeouts})
    for _ in TESTS:
        await next_url(client, token)
    await order(client, token, "pause")
    clock.now_us += 999_999
    await asyncio.sleep(0.05)
    assert (await lists_of(client, token))[1] == TESTS
    clock.now_us += 1
    await until_running(client, token, 1)
    assert (await results_of(client, token))["apiOne"] == [TIMED_OUT]
    await order(client, token, "stop")
    clock.now_us += 1_000_000
    await until_running(client, token, 0)
    assert (await status_of(client, token))["status"] == "aborted"
    await report(client, token, ONE_A)  # too late
    assert (await results_of(client, token))["apiOne"][0] == TIMED_OUT


async def test_the_last_time_out_completes_the_session(client, clock):
    """Sections 2.2 and 3.5."""
    token = await started(client)
    for _ in TESTS:
        await next_url(client, token)
    clock.now_us += 60_000_000
    await until_running(client, token, 0)
    assert (await status_of(client, token))["status"] == "completed"


async def test_time_outs_are_per_session(client, clock):
    """Section 3.5: in the original, sessions that run the same test cancel each other's timers."""
    tokens = [await started(client) for _ in range(2)]
    for token in tokens:
        await next_url(client, token)
    await report(client, tokens[0], ONE_A)
    clock.now_us += 60_000_000
    await until_running(client, tokens[1], 0)
    assert (await results_of(client, tokens[0]))["apiOne"][0]["status"] == "OK"
    assert (await results_of(client, tokens[1]))["apiOne"] == [TIMED_OUT]


async def test_a_restart_in_mid_run_loses_nothing(serve):
    """Section 2.5: the test that was out is not handed out again, the next one is."""
    client = await serve()
    token = await started(client)
    await next_url(client, token)
    await report(client, token, ONE_A, message="“kept”", subtests=[], more={"x": [1.5]})
    await next_url(client, token)
    before = [await lists_of(client, token), await results_of(client, token)]
    await client.close()
    client = await serve(tests=["apiOne/a.html", "apiZero/new.html"])  # what runs was selected
    assert [await lists_of(client, token), await results_of(client, token)] == before
    assert before[0] == [[TWO_C], [ONE_B], [ONE_A]]
    assert (await next_url(client, token)).path == TWO_C
    await report(client, token, TWO_C)
    await report(client, token, ONE_B)
    assert (await status_of(client, token))["status"] == "completed"


async def test_a_time_out_fires_after_a_restart(serve, clock):
    """Section 3.5: nobody has to ask for the session before."""
    client = await serve()
    token = await started(client)
    await next_url(client, token)
    await client.close()
    clock.now_us += 60_000_000
    client = await serve()
    for _ in range(POLLS_MAX):
        session = await ask(client, "GET", f"{SESSIONS}/{token}")
        if not session["tests_running"]:
            break
        await asyncio.sleep(0.005)
    assert (await results_of(client, token))["apiOne"] == [TIMED_OUT]
    assert (await next_url(client, token)).path == ONE_B


async def test_a_crashed_device_goes_on_with_the_next_test(client, clock):
    """Section 4: it opens the page of its session again."""
    token = await started(client)
    assert (await next_url(client, token)).path == ONE_A
    assert (await next_url(client, token)).path == ONE_B
    await report(client, token, ONE_B)
    clock.now_us += 60_000_000
    await until_running(client, token, 0)
    assert (await next_url(client, token)).path == TWO_C


async def test_devices_that_ask_at_once_get_different_tests(serve):
    """Section 3.6, in far fewer commits than there are tests."""
    tests = [f"/many/t{n:02}.html" for n in range(40)]
    client = await serve(tests=tests)
    token = await started(client)
    urls = await asyncio.gather(*[next_url(client, token) for _ in range(50)])
    handed_out = sorted(url.path for url in urls if url.path != "/_wave/finish.html")
    assert handed_out == tests
    twice = [*tests, *tests]
    await asyncio.gather(*[report(client, token, path) for path in twice])
    assert (await status_of(client, token))["status"] == "completed"
    found = await history(client, token)
    every = [name for commit in found for name in commit]
    assert every.count("test.started") == every.count("test.completed") == len(tests)
    assert len(found) < len(tests)


async def test_a_pause_among_devices_that_ask_is_in_order(serve):
    """Sections 2.2 and 3.6: after the pause nothing is handed out, whoever was faster."""
    client = await serve(tests=[f"/many/t{n:02}.html" for n in range(40)])
    token = await started(client)
    asked = [next_url(client, token) for _ in range(20)]
    stopped = [order(client, token, "pause"), *[next_url(client, token) for _ in range(20)]]
    urls = await asyncio.gather(*asked, *stopped)
    paths = [url.path for url in urls if url is not None]
    handed_out = [path for path in paths if path.startswith("/many/")]
    pending, running, _ = await lists_of(client, token)
    assert sorted(handed_out) == sorted(running)
    assert len(pending) + len(running) == 40
    every = [name for commit in await history(client, token) for name in commit]
    paused = max(at for at, name in enumerate(every) if name == "session.status_changed")
    assert "test.started" not in every[paused:]
    assert (await next_url(client, token)).path == "/_wave/pause.html"


async def test_starts_that_race_select_once(client):
    """Section 2.2."""
    token = await make(client)
    await asyncio.gather(*[order(client, token, "start") for _ in range(8)])
    every = [name for commit in await history(client, token) for name in commit]
    assert every.count("tests.selected") == 1
    assert (await next_url(client, token)).path == ONE_A


async def test_a_run_is_seen_on_the_native_feed(client):
    """Design section 6: each test that completes is an event there."""
    token = await started(client)
    feed = await observe(client, {"after": 0, "session": token})
    await feed.until("caught_up")
    await next_url(client, token)
    await report(client, token, ONE_A, subtests=[{"name": "x", "status": "FAIL"}])
    [begun], [done] = [(await feed.frame())["events"] for _ in range(2)]
    assert begun["type"] == "test.started"
    assert begun["data"] == {"path": ONE_A, "timeout_ms": 60000}
    assert done["type"] == "test.completed"
    assert done["data"]["subtests"] == [{"name": "x", "status": "FAIL"}]


async def test_a_session_that_another_api_started_has_its_tests(client):
    """Design section 1: made through one API, moved on through another."""
    made = await service.create(client, "test_run", spec={"tests": {"include": ["/apiTwo"]}})
    token = made["id"]
    await service.move(client, made, "running")
    assert (await next_url(client, token)).path == TWO_C
    await report(client, token, TWO_C)
    assert (await status_of(client, token))["status"] == "completed"


async def test_only_what_passed_in_the_references_is_run(client):
    """Section 3.4."""
    references = []
    for broken in (ONE_A, TWO_C):
        references.append(await started(client))
        for path in TESTS[:2]:
            await next_url(client, references[-1])
            status = "FAIL" if path == broken else "PASS"
            await report(client, references[-1], path, subtests=[{"name": "", "status": status}])
    token = await started(client, {"reference_tokens": references})
    assert await lists_of(client, token) == [[ONE_B], [], []]
    token = await started(client, {"reference_tokens": ["unknown"]})
    assert (await status_of(client, token))["status"] == "completed"


async def test_what_is_selected_is_fixed_at_the_start(client):
    """Section 1.2: until then the selection follows the configuration."""
    token = await make(client, {"tests": {"include": ["/apiTwo"]}})
    assert await lists_of(client, token) == [[TWO_C], [], []]
    body = {"tests": {"include": ["/apiOne/b"]}}
    assert (await client.put(f"/api/sessions/{token}", json=body)).status == 200
    assert await lists_of(client, token) == [[ONE_B], [], []]
    await order(client, token, "start")
    assert await lists_of(client, token) == [[ONE_B], [], []]
