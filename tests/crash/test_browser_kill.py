"""Browsers, their driver and the service itself, killed and hung: all is told, nothing is left."""

import asyncio
import signal

import pytest

from tests.support.browser_host import ENDED, GONE_S, cleared, hosting
from tests.support.browsers import needs_chromium
from tests.support.process import eventually
from tests.support.sites import sharing

pytestmark = [
    needs_chromium,
    pytest.mark.slow(reason="real browsers under a service that is killed"),
]
OPEN = 10


@pytest.fixture(scope="module")
def sites():
    with sharing() as served:
        yield served


@pytest.fixture
def data(tmp_path):
    with cleared(tmp_path / "data") as folder:
        yield folder


async def all_end(user, sessions, reason):
    """Each of them ends by itself, and says why to whoever asks, in whatever words."""
    for session in sessions:
        assert await user.reaches(session, "failed", "lost") == ("failed", reason)
        shown = await user.status(session)
        assert (shown["status"], shown["close_reason"]) == ("error", "error")
        assert shown["error"]
        assert shown["closed_at"]
        status, said = await user.said(
            "POST", f"/notte/sessions/{session}/page/observe", json={"perception_type": "fast"}
        )
        assert 400 <= status < 500
        assert "already closed" in said["message"]


async def test_a_killed_chromium_ends_its_sessions_and_nobody_waits_for_it(sites, data):
    async with hosting(data, sites.host) as host:
        user = host.user
        sessions = [await user.opened(f"{sites.url}/") for _ in range(3)]
        waiting = asyncio.create_task(
            user.act(sessions[0], "goto", url=f"{sites.url}/never?killed")
        )
        await eventually(
            lambda: "GET /never?killed" in sites.seen, GONE_S, "the page that never ends"
        )
        browsers = host.family.browsers()
        assert browsers
        for browser in browsers:
            browser.send(signal.SIGKILL)
        await all_end(user, sessions, "runtime_failed")
        with pytest.raises(AssertionError):  # a 4xx that says so, not a result
            await waiting
        await host.works(f"{sites.url}/")
        assert set(browsers).isdisjoint(host.family.browsers())
        await host.ends()


async def test_a_killed_driver_is_replaced(sites, data):
    async with hosting(data, sites.host) as host:
        sessions = [await host.user.opened(f"{sites.url}/") for _ in range(2)]
        host.family.note()
        for driver in host.family.drivers():
            driver.send(signal.SIGKILL)
        await all_end(host.user, sessions, "runtime_failed")
        await host.works(f"{sites.url}/")
        await host.ends()


async def test_a_chromium_that_stands_still_is_found_and_ended(sites, data):
    async with hosting(data, sites.host) as host:
        session = await host.user.opened(f"{sites.url}/")
        stopped = host.family.browsers()
        for browser in stopped:
            browser.send(signal.SIGSTOP)
        await all_end(host.user, [session], "runtime_failed")
        await eventually(lambda: not any(one.runs for one in stopped), GONE_S, "its end")
        await host.works(f"{sites.url}/")
        await host.ends()


async def test_a_hung_tab_fails_its_action_and_leaves_the_others_alone(sites, data):
    async with hosting(data, sites.host) as host:
        user = host.user
        other = await user.opened(f"{sites.url}/")
        before = len(host.family.tabs())
        hung = await user.opened(f"{sites.url}/hanging")
        observed = await user.page(hung, "observe")
        [button] = [
            one for one in observed["space"]["interaction_actions"] if one["id"].startswith("B")
        ]
        asked = asyncio.create_task(user.act(hung, "click", id=button["id"], timeout=2000))
        done = await user.act(other, "goto", url=f"{sites.url}/form")
        assert done["success"], "another session waits for the one that hangs"
        await asked
        status, _ = await user.said("POST", f"/notte/sessions/{hung}/page/observe", json={})
        assert status < 500
        if (await user.status(hung))["status"] not in ENDED:
            await user.stop(hung)
        # It is busy for ever: only its end frees the processor.
        await eventually(lambda: len(host.family.tabs()) <= before, GONE_S, "the end of the tab")
        await user.page(other, "observe")
        await user.stop(other)
        await host.works(f"{sites.url}/")
        await host.ends()


async def test_killed_tabs_end_no_more_than_themselves(sites, data):
    """The operating system ends a tab: out of memory, say."""
    async with hosting(data, sites.host) as host:
        user = host.user
        session = await user.opened(f"{sites.url}/")
        for tab in host.family.tabs():
            tab.send(signal.SIGKILL)
        status, said = await user.said("POST", f"/notte/sessions/{session}/page/observe", json={})
        assert status < 500, said
        await host.works(f"{sites.url}/")
        if (await user.status(session))["status"] not in ENDED:
            done = await user.act(session, "goto", url=f"{sites.url}/form")
            assert done["success"], done
            await user.stop(session)
        await host.ends()


async def test_after_kill_9_of_the_service_nothing_runs_and_all_is_told(sites, data):
    async with hosting(data, sites.host) as host:
        user = host.user
        first = [await user.opened(f"{sites.url}/form") for _ in range(2)]
        busy = await user.opened(f"{sites.url}/")
        asked = asyncio.create_task(
            user.said(
                "POST",
                f"/notte/sessions/{busy}/page/execute",
                json={"type": "goto", "url": f"{sites.url}/never"},
            )
        )
        opening = await user.start()
        host.family.note()
        host.service.kill()
        with pytest.raises((OSError, asyncio.TimeoutError, Exception)):
            await asked
        await host.no_process()
    async with hosting(data, sites.host) as host:
        for session in (*first, busy):
            assert await host.user.now(session) == ("lost", "service_restart")
            shown = await host.user.status(session)
            assert (shown["status"], shown["close_reason"]) == ("error", "error")
        assert {path.name for path in host.files()} <= {opening}, "swept at the start"
        # One that had no browser yet has lost nothing: it still gets one.
        now = await host.user.reaches(opening, "running", "lost")
        if now[0] == "running":
            assert (await host.user.act(opening, "goto", url=f"{sites.url}/"))["success"]
            await host.user.stop(opening)
        history = await host.user.facts(first[0])
        assert history.count("browser.closed") == 1
        await host.works(f"{sites.url}/")
        await host.ends()


async def test_sigterm_with_ten_sessions_open_ends_them_all_in_time(sites, data):
    async with hosting(data, sites.host, "--browsers-max", str(OPEN)) as host:
        user = host.user
        sessions = await asyncio.gather(*[user.opened(f"{sites.url}/") for _ in range(OPEN)])
        host.family.note()
        host.service.send(signal.SIGTERM)
        assert await host.service.exited() == 0, host.service.stderr
        await host.no_process()
        assert host.left() == []
    async with hosting(data, sites.host) as host:
        for session in sessions:
            status, reason = await host.user.now(session)
            assert (status, reason) == ("lost", "service_restart")
            assert "browser.closed" in await host.user.facts(session)
        await host.service.stop()
