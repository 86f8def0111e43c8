"""Whatever dies or stands still among browsers, their sessions end and nothing is left."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from sessions.runtimes.browser.host import Host, Patience
from sessions.runtimes.browser.port import Action, BrowserFailed
from sessions.runtimes.browser.sweep import run_folder, scratch_folder
from tests.support.browsers import browsing, chromium, left, needs_chromium, nothing_left, wanted
from tests.support.process import eventually
from tests.support.process_family import Family
from tests.support.sites import serving

pytestmark = [pytest.mark.slow(reason="each starts a Chromium"), needs_chromium]

# A busy Chromium that is well answers sooner.
SHORT = Patience(beat_s=0.1, silent_s=5.0, close_s=1.0)
PATIENCE_S = 60.0
ENDLESS = Action(type="evaluate_js", code="new Promise(() => {})", timeout_ms=60_000)


def profiles(folder):
    return list(run_folder(folder).glob("*/Default"))


async def ended(browser):
    async with asyncio.timeout(PATIENCE_S):
        return await browser.ended()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_chromium_that_dies_ends_its_own_sessions_alone(tmp_path, number):
    family = Family(os.getpid(), tmp_path)
    async with browsing(tmp_path, per_process=2) as browsers:
        one, two, other = [
            await browsers.start(wanted(tmp_path, name)) for name in ("one", "two", "other")
        ]
        waiting = asyncio.create_task(one.act(ENDLESS))
        await asyncio.sleep(0.2)
        [process] = [each for each in family.browsers() if each.pid == browsers.processes[0]]
        process.send(number)
        for browser in (one, two):
            ending = await ended(browser)
            assert ending.reason == "runtime_failed"
            assert f"killed by {number.name}" in ending.detail
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(BrowserFailed, match=f"killed by {number.name}"):
                await waiting
        with pytest.raises(BrowserFailed):
            await two.place()
        assert (await other.place()).url == "about:blank"
        await eventually(lambda: len(profiles(tmp_path)) == 1, PATIENCE_S, "the end of a profile")
        again = await browsers.start(wanted(tmp_path, "again"))
        assert (await again.place()).url == "about:blank"


async def test_a_call_whose_browser_goes_says_why_also_where_that_is_known_late(
    tmp_path, monkeypatch
):
    died = Host._died

    def later(host, code):
        asyncio.get_running_loop().call_later(1.0, died, host, code)

    monkeypatch.setattr(Host, "_died", later)
    family = Family(os.getpid(), tmp_path)
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        waiting = asyncio.create_task(browser.act(ENDLESS))
        await asyncio.sleep(0.2)
        for process in family.browsers():
            process.send(signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(BrowserFailed, match="killed by SIGKILL"):
                await waiting


async def test_a_chromium_that_stands_still_is_found_and_ended(tmp_path):
    family = Family(os.getpid(), tmp_path)
    async with browsing(tmp_path, patience=SHORT) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        for process in family.browsers():
            process.send(signal.SIGSTOP)
        ending = await ended(browser)
        assert (ending.reason, "did not answer" in ending.detail) == ("runtime_failed", True)
        again = await browsers.start(wanted(tmp_path, "again"))
        assert (await again.place()).url == "about:blank"


async def test_a_chromium_that_only_pauses_goes_on(tmp_path):
    family = Family(os.getpid(), tmp_path)
    # Longer than one silence, and shorter than the two after which it is ended.
    patience, pause_s = Patience(beat_s=0.1, silent_s=6.0), 7.0
    async with browsing(tmp_path, patience=patience) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in family.browsers():
                process.send(number)
            await asyncio.sleep(pause_s)
        assert browser.ending is None
        assert (await browser.place()).url == "about:blank"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_driver_that_dies_or_stands_still_is_replaced(tmp_path, number):
    family = Family(os.getpid(), tmp_path)
    async with browsing(tmp_path, patience=SHORT) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        [driver] = family.drivers()
        driver.send(number)
        ending = await ended(browser)
        assert ending.reason == "runtime_failed"
        assert "driver" in ending.detail
        again = await browsers.start(wanted(tmp_path, "again"))
        assert (await again.place()).url == "about:blank"
        assert driver not in family.drivers()


async def test_a_page_that_is_busy_for_ever_neither_holds_its_browser_nor_others(tmp_path):
    family = Family(os.getpid(), tmp_path)
    async with serving() as sites, browsing(tmp_path) as browsers:
        busy, other = [await browsers.start(wanted(tmp_path, name)) for name in ("busy", "other")]
        await busy.act(Action(type="goto", url=f"{sites.url}/"))
        await busy.act(Action(type="evaluate_js", code="setTimeout(() => { while (true); }, 0)"))
        await asyncio.sleep(0.3)
        assert (await other.place()).url == "about:blank"
        tabs = len(family.tabs())
        async with asyncio.timeout(PATIENCE_S):
            await busy.close()
        # The tab that was busy is gone with it, and so there is room for another session here.
        await eventually(lambda: len(family.tabs()) < tabs, PATIENCE_S, "the end of the busy tab")
        assert (await other.place()).url == "about:blank"
        assert (await browsers.start(wanted(tmp_path, "again"))).debugger[0] == other.debugger[0]


async def test_all_ends_also_where_every_process_stands_still(tmp_path):
    family = Family(os.getpid(), tmp_path)
    async with browsing(tmp_path) as browsers:
        await browsers.start(wanted(tmp_path))
        for process in (*family.browsers(), *family.tabs(), *family.drivers()):
            process.send(signal.SIGSTOP)


async def test_it_can_end_while_browsers_are_on_their_way(tmp_path):
    for seconds in (0.0, 0.2, 0.6, 1.0):
        async with browsing(tmp_path, per_process=2) as browsers:
            starting = [
                asyncio.create_task(browsers.start(wanted(tmp_path, f"n{number}")))
                for number in range(4)
            ]
            await asyncio.sleep(seconds)
        await asyncio.wait(starting)
        for task in starting:
            error = task.exception()
            assert error is None or isinstance(error, BrowserFailed), error


async def killed_service(data, *stopped, how=()):
    """The family of a service that was killed, some of which stood still before."""
    script = Path(__file__).parents[1] / "support" / "browsing_process.py"
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), str(data), *how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    async with asyncio.timeout(2 * PATIENCE_S):
        assert await service.stdout.readline() == b"ready\n"
    family = Family(service.pid, data)
    family.note()
    for kind in stopped:
        for process in getattr(family, kind)():
            process.send(signal.SIGSTOP)
    service.kill()
    await service.wait()
    return family


async def test_nothing_outlives_a_service_that_is_killed(tmp_path):
    family = await killed_service(tmp_path)
    await eventually(lambda: not family.left(), PATIENCE_S, "the end of every process")
    assert left(tmp_path) != []
    browsers = chromium(tmp_path)
    await browsers.open()
    assert left(tmp_path) == []
    await browsers.close()


async def test_the_sockets_of_a_data_folder_that_was_deleted_are_swept_by_any_service(tmp_path):
    data, scratch = tmp_path / "data", scratch_folder(tmp_path / "data")
    assert not scratch.is_relative_to(data), "or they go with it"
    family = await killed_service(data)
    await eventually(lambda: not family.left(), PATIENCE_S, "the end of every process")
    shutil.rmtree(data)
    assert scratch.exists()
    async with browsing(tmp_path / "other") as living:
        assert not scratch.exists()
        await living.start(wanted(tmp_path / "other"))
        another = chromium(tmp_path / "another")
        await another.open()
        assert scratch_folder(tmp_path / "other").exists()
        await another.close()


@pytest.mark.parametrize("how", [(), ("bare",)])
async def test_what_stands_still_is_swept_by_the_next_service(tmp_path, how):
    family = await killed_service(tmp_path, "tabs", "drivers", how=how)
    try:
        # The end of a sandbox is the end of the pages in it; without one they go on standing.
        await eventually(lambda: not family.browsers(), PATIENCE_S, "the end of Chromium itself")
        assert "node" in [one.program for one in family.left()]
        assert family.tabs() or os.geteuid() != 0 or not how
        browsers = chromium(tmp_path)
        await browsers.open()
        await nothing_left(tmp_path)
        await eventually(lambda: not family.left(), PATIENCE_S, "the end of every process")
        assert left(tmp_path) == []
        await browsers.close()
    finally:
        for process in family.left():
            process.send(signal.SIGKILL)
