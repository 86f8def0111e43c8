"""Browsers of sessions: from the wish to the end, and every step of it in the log."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from eventstore.memory import MemoryLog
from sessions.browser_answers import Opening
from sessions.domain.rejections import LimitReached
from sessions.runtimes.browser.port import (
    Action,
    PageRefused,
    ScrapeWanted,
    UpstreamProxy,
)
from tests.support.browser_service import PATIENT, USER, goto, opened, room_for
from tests.support.machine_service import until
from tests.support.scripted_browsers import Script, ScriptedBrowsers


@pytest.fixture
async def runtime():
    return ScriptedBrowsers(Script())


@pytest.fixture
async def service(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        yield service


async def test_a_whole_visit_and_the_log_tells_each_step(service):
    session = await service.session()
    assert (await service.browsers.act(session, goto("https://a.test/"), USER)).done.success
    seen = await service.browsers.observe(session, USER)
    assert [action.id for action in seen.observation.actions] == ["L1", "L2", "B1", "I1", "I2"]
    await service.browsers.scrape(session, ScrapeWanted(), USER)
    ended = await service.browsers.stop(session, USER)
    assert (ended.status, ended.reason) == ("stopped", "requested")
    assert await service.names(session) == [
        "session.created",
        "browser.requested",
        "session.status_changed",
        "browser.opened",
        "session.status_changed",
        "browser.acted",
        "artifact.stored",
        "browser.observed",
        "browser.scraped",
        "session.status_changed",
        "artifact.stored",
        "browser.closed",
        "session.status_changed",
    ]
    moves = await service.told(session, "session.status_changed")
    assert [move["to"] for move in moves] == ["starting", "running", "stopping", "stopped"]
    assert not service.runtime.running
    await until(lambda: not (service.folder / session).exists())


async def test_the_state_of_a_session_says_where_its_browser_is(service):
    session = await service.session(Opening(viewport=(800, 600), user_agent="Mine/1"))
    await service.browsers.act(session, goto("https://a.test/x?q=1"), USER)
    await service.browsers.observe(session, USER, screenshot=False)
    visit = await service.visit(session)
    assert (visit.url, visit.title) == ("https://a.test/x?q=1", "Title of https://a.test/x?q=1")
    assert (visit.viewport_width, visit.viewport_height, visit.user_agent) == (800, 600, "Mine/1")
    assert (visit.actions, visit.failures, visit.observations) == (1, 0, 1)
    assert visit.open
    await service.browsers.stop(session, USER)
    visit = await service.visit(session)
    assert not visit.open
    assert (visit.reason, visit.requests) == ("requested", 1)
    assert (visit.request_bytes, visit.response_bytes) == (10, 100)


async def test_a_failed_action_is_a_result_and_the_browser_goes_on(service):
    session = await service.session()
    acted = await service.browsers.act(session, Action(type="click", id="B9"), USER)
    assert (acted.done.success, acted.done.error_type) == (False, "InvalidActionError")
    assert (await service.browsers.act(session, Action(type="click", id="B1"), USER)).done.success
    visit = await service.visit(session)
    assert (visit.actions, visit.failures) == (2, 1)
    (failed, _) = await service.told(session, "browser.acted")
    assert failed["message"] == "There is no element B9 on the page"


async def test_a_page_that_gives_nothing_is_refused_in_words(service):
    session = await service.session()
    await service.browsers.act(session, goto("https://a.test/blank"), USER)
    for ask in (
        service.browsers.observe(session, USER),
        service.browsers.scrape(session, ScrapeWanted(), USER),
        service.browsers.screenshot(session, USER),
    ):
        with pytest.raises(PageRefused, match="gives nothing"):
            await ask
    assert (await service.browsers.place(session, USER)).url == "https://a.test/blank"
    assert await service.status(session) == ("running", "requested")


async def test_one_acts_at_a_time_in_the_order_of_arrival(service, runtime):
    session = await service.session()
    runs = [
        service.browsers.act(session, goto(f"https://a.test/{number}"), USER) for number in range(4)
    ]
    await asyncio.gather(*runs)
    (browser,) = runtime.made
    assert [action.url[-1] for action in browser.actions] == ["0", "1", "2", "3"]


async def test_no_more_calls_wait_for_one_browser_than_may(service, runtime):
    session = await service.session()
    await service.browsers.living(session, USER)
    runtime.script.then("act", "hang")
    reload = Action(type="reload")
    calls = [
        asyncio.create_task(service.browsers.act(session, reload, USER))
        for _ in range(PATIENT.calls + 3)
    ]
    await until(lambda: sum(call.done() for call in calls) == 2)
    await service.browsers.stop(session, USER)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, LimitReached) for one in outcomes) == 2


@pytest.mark.parametrize("secret", ["hunter2 ü", "a"])
async def test_what_is_typed_is_sealed_and_what_is_in_the_clear_is_not(service, secret):
    session = await service.session(
        Opening(
            headers={"X-Key": "header-in-clear"},
            proxy=UpstreamProxy(server="http://proxy.test:1", password="proxy-in-clear"),
        )
    )
    fills = [
        Action(type="fill", id="I1", value=f"name-in-clear {secret}"),
        Action(type="fill", id="I2", value=f"pass-in-clear {secret}"),
        Action(type="form_fill", values={"email": "mail-in-clear"}),
        Action(type="evaluate_js", code="'code-in-clear'"),
    ]
    for fill in fills:
        await service.browsers.act(session, fill, USER)
    await service.browsers.set_cookies(session, [{"name": "c", "value": "cookie-in-clear"}], USER)
    assert b"in-clear" not in await service.log_text()
    steps = await service.browsers.steps(session, USER)
    acted = [step.action for step in steps if step.kind == "acted"]
    assert (acted[0]["id"], acted[0]["value"]) == ("I1", f"name-in-clear {secret}")
    assert (acted[1]["id"], acted[1]["value"]) == ("I2", "***")
    assert acted[2] == {"values": {"email": "mail-in-clear"}}
    assert acted[3] == {"code": "'code-in-clear'"}
    (asked,) = service.runtime.made
    assert asked.wanted.headers == {"X-Key": "header-in-clear"}
    assert asked.wanted.proxy.password == "proxy-in-clear"


async def test_addresses_are_told_without_user_and_password(service):
    session = await service.session()
    await service.browsers.act(session, goto("https://me:pass-4711@a.test/page"), USER)
    await service.browsers.act(session, goto("https://me:pass-4711@a.test/refused"), USER)
    went, failed = await service.told(session, "browser.acted")
    assert went["action"] == {"url": "https://a.test/page"}
    assert (went["url"], went["message"]) == (
        "https://a.test/page",
        "Navigated to https://a.test/page",
    )
    assert failed["message"] == "The address is refused: https://a.test/refused"
    assert (await service.visit(session)).url == "https://a.test/page"


async def test_a_message_does_not_say_what_was_typed(service, runtime, monkeypatch):
    session = await service.session()
    browser = await service.browsers.living(session, USER)
    act = browser.act

    async def telling(action):
        done = await act(action)
        return type(done)(success=False, message=f"could not type {action.value!r}")

    monkeypatch.setattr(browser, "act", telling)
    acted = await service.browsers.act(session, Action(type="fill", id="I1", value="hunter2"), USER)
    assert acted.done.message == "could not type 'hunter2'"  # who typed it may know
    (told,) = await service.told(session, "browser.acted")
    assert told["message"] == "could not type '***'"


async def test_screenshots_are_artifacts_and_none_is_kept_twice(service):
    session = await service.session()
    first = await service.browsers.observe(session, USER)
    again = await service.browsers.observe(session, USER)
    await service.browsers.act(session, goto("https://a.test/"), USER)
    other = await service.browsers.screenshot(session, USER)
    assert first.screenshot == again.screenshot != other.screenshot
    assert await service.bytes_of(session, first.screenshot) == first.observation.screenshot
    assert await service.bytes_of(session, other.screenshot) == other.jpeg
    stored = await service.told(session, "artifact.stored")
    assert [(one["sha256"], one["media_type"]) for one in stored] == [
        (first.screenshot, "image/jpeg"),
        (other.screenshot, "image/jpeg"),
    ]
    assert len({one["name"] for one in stored}) == 2
    observed = await service.told(session, "browser.observed")
    assert [one["screenshot"] for one in observed] == [first.screenshot, first.screenshot]


async def test_a_picture_that_cannot_be_kept_is_given_all_the_same(tmp_path, runtime, monkeypatch):
    monkeypatch.setattr("tests.support.browser_service.ARTIFACT_BYTES", 4)
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        session = await service.session()
        seen = await service.browsers.observe(session, USER)
        assert (seen.screenshot, seen.observation.screenshot[:2]) == ("", b"\xff\xd8")
        assert "artifact.stored" not in await service.names(session)
        assert (await service.visit(session)).observations == 1


async def test_pictures_leave_room_for_files(service, runtime, monkeypatch):
    monkeypatch.setattr("sessions.browser_book.PICTURES_MAX", 1)
    session = await service.session()
    assert (await service.browsers.observe(session, USER)).screenshot
    await service.browsers.act(session, goto("https://a.test/download/x"), USER)
    assert not (await service.browsers.screenshot(session, USER)).screenshot
    assert [file.name for file in await service.browsers.files(session, USER)] == ["x"]
    assert (await service.visit(session)).pictures == 1


# Queue.


async def test_who_finds_no_room_waits_in_sight_and_has_its_turn(tmp_path, runtime):
    limits = replace(PATIENT, wait_s=0.8)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits, budget=room_for(1)) as service:
        first, second, third = [await service.session() for _ in range(3)]
        await until(lambda: _runs(service, first))
        assert await service.status(second) == ("queued", "capacity")
        assert [service.browsers.now(one).queued for one in (first, second, third)] == [None, 1, 2]
        with pytest.raises(LimitReached, match="number 2 in the queue"):
            await service.browsers.observe(third, USER)
        await service.browsers.stop(first, USER)
        await until(lambda: _runs(service, second))
        await service.browsers.observe(second, USER)
        assert service.browsers.now(third).queued == 1
        await service.browsers.stop(third, USER)  # also one that waits can be stopped
        assert await service.status(third) == ("stopped", "requested")
        assert service.browsers.now(third).queued is None
        assert (await service.visit(third)).reason == "requested"


async def _runs(service, session):
    return (await service.state(session)).status == "running"


async def test_when_the_queue_is_full_nothing_is_made(tmp_path, runtime):
    budget = room_for(1, queue=1)
    async with opened(tmp_path, MemoryLog(), runtime, budget=budget) as service:
        await service.session()
        await service.session()
        size = service.log.size
        with pytest.raises(LimitReached, match="1 browsers wait already"):
            await service.session()
        assert service.log.size == size


async def test_thirty_at_once_with_room_for_ten(tmp_path, runtime):
    budget = room_for(10, queue=20)
    async with opened(tmp_path, MemoryLog(), runtime, budget=budget) as service:
        sessions = await asyncio.gather(*(service.session() for _ in range(30)))
        await until(lambda: len(runtime.running) == 10)

        async def visit(session):
            await service.browsers.observe(session, USER, screenshot=False)
            assert len(runtime.running) <= 10
            await service.browsers.stop(session, USER)

        await asyncio.gather(*map(visit, sessions))
        assert len(runtime.made) == 30
        assert not runtime.running


# What is known of the network.


async def test_the_network_is_known_during_the_visit_and_after_it(service):
    session = await service.session()
    await service.browsers.act(session, goto("https://me:pw@a.test/1"), USER)
    living = await service.browsers.exchanges(session, USER)
    assert [one.url for one in living] == ["https://a.test/1"]
    await service.browsers.stop(session, USER)
    assert await service.browsers.exchanges(session, USER) == living
    visit = await service.visit(session)
    lines = (await service.bytes_of(session, visit.network)).splitlines()
    assert [json.loads(line)["url"] for line in lines] == ["https://a.test/1"]


async def test_a_visit_that_asked_for_nothing_has_no_network(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    await service.browsers.stop(session, USER)
    assert await service.browsers.exchanges(session, USER) == ()
