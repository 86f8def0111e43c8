"""Browsers over restarts, and where the disk refuses: what was is told, what may go on does."""

import asyncio

import pytest

from eventstore.errors import StorageFull
from eventstore.memory import MemoryLog
from sessions.browser_answers import Opening
from sessions.domain.commands import ChangeStatus
from sessions.domain.rejections import AlreadyEnded
from sessions.runtimes.browser.port import UpstreamProxy
from tests.support.browser_service import USER, goto, opened, room_for
from tests.support.machine_service import until
from tests.support.scripted_browsers import Script, ScriptedBrowsers

PROXY = UpstreamProxy(server="http://proxy.test:1", username="me", password="secret")
OPENING = Opening(viewport=(700, 600), user_agent="Mine", headers={"A": "1"}, proxy=PROXY)


async def parts():
    yield b"up"


class Full:
    """A log whose disk is full while `full` is set."""

    def __init__(self, log):
        self._log = log
        self.full = False

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def append(self, wish):
        if self.full:
            raise StorageFull("no space left on device")
        return await self._log.append(wish)


@pytest.mark.parametrize("close", [True, False], ids=["stopped", "killed"])
async def test_a_session_whose_browser_was_open_is_lost(tmp_path, close):
    log = MemoryLog()
    async with opened(tmp_path, log, ScriptedBrowsers(), close=close) as service:
        session = await service.session()
        await service.browsers.act(session, goto("https://a.test/"), USER)
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        assert await service.status(session) == ("lost", "service_restart")
        visit = await service.visit(session)
        assert (visit.open, visit.reason, visit.url) == (
            False,
            "service_restart",
            "https://a.test/",
        )
        assert not (service.folder / session).exists()
        with pytest.raises(AlreadyEnded):
            await service.browsers.observe(session, USER)
        assert len(await service.told(session, "browser.closed")) == 1
        steps = await service.browsers.steps(session, USER)
        assert [step.kind for step in steps] == ["opened", "acted", "closed"]


async def test_one_that_still_waited_goes_on_waiting_and_is_as_it_was_asked_for(tmp_path):
    log, budget = MemoryLog(), room_for(1)
    async with opened(tmp_path, log, ScriptedBrowsers(), budget=budget, close=False) as service:
        first = await service.session()
        await service.browsers.living(first, USER)
        second = await service.session(OPENING)
        file = await service.browsers.upload(second, "up.txt", "", parts(), USER)
        assert await service.status(second) == ("queued", "capacity")
    runtime = ScriptedBrowsers()
    async with opened(tmp_path, log, runtime, budget=budget) as service:
        assert await service.status(first) == ("lost", "service_restart")
        await service.browsers.observe(second, USER)
        (browser,) = runtime.made
        wanted = browser.wanted
        assert (wanted.viewport, wanted.user_agent, wanted.headers, wanted.proxy) == (
            (700, 600),
            "Mine",
            {"A": "1"},
            PROXY,
        )
        assert (await service.browsers.file_of(second, file.id, USER)).read_bytes() == b"up"


async def test_one_that_was_starting_is_started_again(tmp_path):
    log, runtime = MemoryLog(), ScriptedBrowsers(Script(start="hang"))
    async with opened(tmp_path, log, runtime, close=False) as service:
        session = await service.session()
        await runtime.script.entered.wait()
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        await service.browsers.observe(session, USER)
        assert await service.status(session) == ("running", "requested")
        moves = await service.told(session, "session.status_changed")
        assert [(move["to"], move["reason"]) for move in moves] == [
            ("starting", "requested"),
            ("queued", "service_restart"),
            ("starting", "requested"),
            ("running", "requested"),
        ]


async def test_a_session_that_ended_and_whose_browser_was_not_told_to_be_closed(tmp_path):
    log = MemoryLog()
    async with opened(tmp_path, log, ScriptedBrowsers(), close=False) as service:
        session = await service.session()
        await service.browsers.living(session, USER)
        service.follower.states.on_change.clear()  # the service dies before it hears of it
        await service.sessions.execute(session, ChangeStatus(to="completed"), USER)
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        assert (await service.state(session)).status == "completed"
        (closed,) = await service.told(session, "browser.closed")
        assert closed["reason"] == "service_restart"


async def test_a_full_disk_makes_no_session_and_leaves_no_place_taken(tmp_path):
    log = Full(MemoryLog())
    async with opened(tmp_path, log, ScriptedBrowsers(), budget=room_for(1)) as service:
        log.full = True
        with pytest.raises(StorageFull):
            await service.session()
        log.full = False
        session = await service.session()
        assert (await service.browsers.observe(session, USER)).screenshot


async def test_what_was_done_while_the_disk_was_full_is_told_when_it_is_not(tmp_path):
    log = Full(MemoryLog())
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        session = await service.session()
        await service.browsers.living(session, USER)
        log.full = True
        acted = await service.browsers.act(session, goto("https://a.test/"), USER)
        assert acted.done.success  # it was done, and is not to be done again
        seen = await service.browsers.observe(session, USER)
        assert (bool(seen.observation.screenshot), seen.screenshot) == (True, "")
        log.full = False
        await service.browsers.act(session, goto("https://b.test/"), USER)
        told = [name for name in await service.names(session) if name.startswith("browser.")]
        assert told[2:] == ["browser.acted", "browser.observed", "browser.acted"]
        steps = await service.browsers.steps(session, USER)
        assert [step.url for step in steps[1:]] == [
            "https://a.test/",
            "https://a.test/",
            "https://b.test/",
        ]


async def test_a_stop_while_the_disk_is_full_is_told_when_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.browser_course.RETRY_S", 0.01)
    log = Full(MemoryLog())
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        session = await service.session()
        await service.browsers.act(session, goto("https://a.test/"), USER)
        log.full = True
        with pytest.raises(StorageFull):
            await service.browsers.stop(session, USER)
        assert not service.runtime.running  # whatever the disk says, the browser is closed
        log.full = False
        await until(lambda: _over(service, session))
        assert await service.status(session) == ("stopped", "requested")


async def _over(service, session):
    return (await service.state(session)).ended


async def test_no_browser_is_made_before_those_of_before_are_accounted_for(tmp_path, monkeypatch):
    monkeypatch.setattr("sessions.browser_recovery.RETRY_S", 0.01)
    log = Full(MemoryLog())
    async with opened(tmp_path, log, ScriptedBrowsers(), close=False) as service:
        session = await service.session()
        await service.browsers.living(session, USER)
    log.full = True
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        with pytest.raises(Exception, match="not accounted for yet"):
            await service.session()
        log.full = False
        await until(lambda: _over(service, session))
        assert await service.status(session) == ("lost", "service_restart")
        await service.browsers.living(await service.session(), USER)


async def test_a_shutdown_ends_ten_browsers_and_says_so(tmp_path):
    log, runtime = MemoryLog(), ScriptedBrowsers()
    async with opened(tmp_path, log, runtime, budget=room_for(10)) as service:
        sessions = [await service.session() for _ in range(10)]
        await asyncio.gather(*(service.browsers.living(one, USER) for one in sessions))
        await service.browsers.close()
        assert not runtime.running
        for session in sessions:
            assert await service.status(session) == ("lost", "service_restart")
            assert (await service.state(session)).detail == "The service was stopped."
            assert not (service.folder / session).exists()
