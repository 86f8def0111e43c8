"""How browsers of sessions end: by a wish, a crash, a clock, or before they were there."""

import asyncio

import pytest
from msgspec.structs import replace

from eventstore.memory import MemoryLog
from sessions.domain.commands import ChangeStatus, CreateSession, Delete, FireClocks
from sessions.domain.rejections import AlreadyEnded, NotFound
from sessions.runtimes.browser.port import (
    Action,
    BrowserFailed,
    Ending,
    RuntimeUnavailable,
    ScrapeWanted,
)
from tests.support.browser_service import PATIENT, USER, goto, opened
from tests.support.machine_service import until
from tests.support.scripted_browsers import Script, ScriptedBrowsers

SOON = Action(type="reload", timeout_ms=10)


@pytest.fixture
async def runtime():
    return ScriptedBrowsers(Script())


@pytest.fixture
async def service(tmp_path, runtime):
    async with opened(tmp_path, MemoryLog(), runtime) as service:
        yield service


async def test_a_browser_that_crashes_fails_its_session_in_words(service, runtime):
    session = await service.session()
    await service.browsers.living(session, USER)
    runtime.script.then("act", "die")
    with pytest.raises(BrowserFailed):
        await service.browsers.act(session, goto("https://a.test/"), USER)
    await until(lambda: not runtime.running and (service.browsers.now(session).answers is False))
    await until(lambda: _ended(service, session))
    assert await service.status(session) == ("failed", "runtime_failed")
    assert (await service.state(session)).detail == "the browser crashed"
    with pytest.raises(AlreadyEnded):
        await service.browsers.observe(session, USER)


async def _ended(service, session):
    return (await service.state(session)).ended


async def test_a_browser_that_crashes_while_nobody_looks_is_noticed(service, runtime):
    session = await service.session()
    browser = await service.browsers.living(session, USER)
    browser.end(Ending(reason="runtime_failed", detail="it was killed"))
    await until(lambda: _ended(service, session))
    assert await service.status(session) == ("failed", "runtime_failed")
    (closed,) = await service.told(session, "browser.closed")
    assert (closed["reason"], closed["detail"]) == ("runtime_failed", "it was killed")


@pytest.mark.parametrize("step", ["observe", "act", "scrape", "screenshot"])
async def test_a_browser_that_hangs_is_ended_and_the_call_is_told(tmp_path, runtime, step):
    limits = replace(PATIENT, answer_s=0.3)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits) as service:
        session = await service.session()
        await service.browsers.living(session, USER)
        runtime.script.then(step, "hang")
        calls = {
            "observe": lambda: service.browsers.observe(session, USER),
            "act": lambda: service.browsers.act(session, SOON, USER),
            "scrape": lambda: service.browsers.scrape(session, ScrapeWanted(), USER),
            "screenshot": lambda: service.browsers.screenshot(session, USER),
        }
        with pytest.raises(BrowserFailed, match="did not answer in time"):
            await calls[step]()
        await until(lambda: _ended(service, session))
        assert await service.status(session) == ("failed", "runtime_failed")
        assert not runtime.running


@pytest.mark.parametrize("act", ["fail", "die", "hang", "unavailable"])
async def test_a_browser_that_cannot_start_ends_its_session_in_words(tmp_path, runtime, act):
    runtime.script.then("start", act)
    limits = replace(PATIENT, start_s=0.5)
    async with opened(tmp_path, MemoryLog(), runtime, limits=limits) as service:
        session = await service.session()
        error = RuntimeUnavailable if act == "unavailable" else BrowserFailed
        with pytest.raises(error):
            await service.browsers.living(session, USER)
        await until(lambda: _ended(service, session))
        state = await service.state(session)
        reason = "runtime_unavailable" if act == "unavailable" else "runtime_failed"
        assert (state.status, state.reason) == ("failed", reason)
        assert state.detail
        assert not runtime.running
        await service.session()  # its place is free again


async def test_where_there_is_no_browser_nothing_is_made(service, runtime):
    runtime.script.then("check", "unavailable")
    size = service.log.size
    with pytest.raises(RuntimeUnavailable, match="apt-get install chromium"):
        await service.session()
    assert service.log.size == size


async def test_stop_while_it_starts_and_by_many_at_once(service, runtime):
    runtime.script.then("start", "hang")
    session = await service.session()
    await runtime.script.entered.wait()
    states = await asyncio.gather(*(service.browsers.stop(session, USER) for _ in range(5)))
    assert {(state.status, state.reason) for state in states} == {("stopped", "requested")}
    with pytest.raises(AlreadyEnded):
        await service.browsers.stop(session, USER)
    assert not runtime.running


async def test_stop_with_an_error_fails_the_session(service):
    session = await service.session()
    await service.browsers.living(session, USER)
    state = await service.browsers.stop(session, USER, "client_error")
    assert (state.status, state.reason) == ("failed", "client_error")


async def test_a_call_in_flight_hears_that_the_session_was_stopped(service, runtime):
    session = await service.session()
    await service.browsers.living(session, USER)
    runtime.script.then("act", "hang")
    call = asyncio.create_task(service.browsers.act(session, Action(type="reload"), USER))
    await runtime.script.entered.wait()
    waiting = asyncio.create_task(service.browsers.observe(session, USER))
    await asyncio.sleep(0.01)
    await service.browsers.stop(session, USER)
    for task in (call, waiting):
        with pytest.raises((AlreadyEnded, BrowserFailed)):
            await task


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (ChangeStatus(to="completed", reason="finished"), "completed"),
        (ChangeStatus(to="stopping"), "stopped"),
        (Delete(), "stopped"),
    ],
)
async def test_a_session_that_ends_otherwise_takes_its_browser_along(
    service, runtime, command, status
):
    session = await service.session()
    await service.browsers.living(session, USER)
    await service.sessions.execute(session, command, USER)
    await until(lambda: not runtime.running)
    await until(lambda: _closed(service, session))
    assert (await service.state(session)).status == status


async def _closed(service, session):
    return not (await service.visit(session)).open


async def test_the_clocks_end_a_session_and_its_browser(tmp_path, runtime):
    now = 1_800_000_000_000_000

    async with opened(tmp_path, MemoryLog(), runtime, clock_us=lambda: now) as service:
        service.log.clock_us = lambda: now
        session = await service.session(max_duration_s=600)
        await service.browsers.living(session, USER)
        now += 301_000_000
        await service.sessions.execute(session, FireClocks(), USER)
        await until(lambda: not runtime.running)
        await until(lambda: _closed(service, session))
        assert await service.status(session) == ("timed_out", "idle_timeout")
        (closed,) = await service.told(session, "browser.closed")
        assert closed["reason"] == "idle_timeout"


async def test_work_in_flight_is_no_idleness(service, runtime, monkeypatch):
    monkeypatch.setattr("sessions.usage.TOUCHES_PER_IDLE", 30_000)
    session = await service.session()
    await service.browsers.living(session, USER)
    touched = []
    touch = service.sessions.touch

    async def touching(session_id, who):
        touched.append(session_id)
        return await touch(session_id, who)

    monkeypatch.setattr(service.sessions, "touch", touching)
    runtime.script.then("act", "hang")
    call = asyncio.create_task(service.browsers.act(session, SOON, USER))
    await until(lambda: len(touched) > 3)
    assert not call.done()
    await service.browsers.stop(session, USER)
    with pytest.raises((AlreadyEnded, BrowserFailed)):
        await call


async def test_who_may_not_see_it_is_told_nothing(service):
    session = await service.session()
    other = type(USER)(actor="key:other", tenant="elsewhere", scopes=USER.scopes)
    for call in (
        service.browsers.observe(session, other),
        service.browsers.act(session, goto("https://a.test/"), other),
        service.browsers.stop(session, other),
        service.browsers.steps(session, other),
        service.browsers.exchanges(session, other),
        service.browsers.files(session, other),
    ):
        with pytest.raises(NotFound):
            await call
    assert await service.status(session) != ("stopped", "requested")


async def test_a_session_of_another_kind_has_no_browser_and_is_not_touched(service):
    command = CreateSession(kind="vm", dialect="native", owner="o", idle_timeout_s=60)
    await service.sessions.create("machine", command, USER)
    size = service.log.size
    with pytest.raises(NotFound):
        await service.browsers.observe("machine", USER)
    assert service.log.size == size


async def test_a_session_that_nobody_opened_a_browser_for_gets_one_when_it_is_used(service):
    spec = {"viewport_width": 640, "viewport_height": 500, "user_agent": "Mine/2"}
    command = CreateSession(kind="browser", dialect="native", owner="o", spec=spec)
    await service.sessions.create("native", command, USER)
    await asyncio.gather(*(service.browsers.observe("native", USER) for _ in range(3)))
    (browser,) = service.runtime.made
    assert (browser.viewport, browser.user_agent) == ((640, 500), "Mine/2")
    assert await service.status("native") == ("running", "requested")
