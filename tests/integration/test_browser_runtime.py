"""Browsers on a real Chromium: each alone in its context, few processes, and a spare that waits."""

import asyncio
import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import aiohttp
import msgspec
import pytest

from sessions.runtimes.browser.driver import Driver
from sessions.runtimes.browser.host import Patience
from sessions.runtimes.browser.port import (
    Action,
    BrowserFailed,
    PageRefused,
    Picture,
    RuntimeUnavailable,
    UpstreamProxy,
)
from sessions.runtimes.browser.sandboxing import cover
from sessions.runtimes.browser.sweep import scratch_folder
from sessions.runtimes.process import NICE
from tests.support.browsers import (
    GONE_S,
    browsing,
    chromium,
    left,
    needs_chromium,
    nothing_left,
    wanted,
)
from tests.support.process import eventually
from tests.support.process_family import Family
from tests.support.sites import serving

pytestmark = [pytest.mark.slow(reason="each starts a Chromium"), needs_chromium]


CONFINED = "Seccomp:\t2"
LIAR = """#!/bin/sh
test "$1" = --version && echo Liar 1.0 && exit
echo no display
exit 9
"""


async def does(browser, kind, **how):
    done = await browser.act(Action(type=kind, **how))
    assert done.success, done
    return done


async def is_confined(tab):
    """Return when the kernel keeps it from most calls: one that has just begun has yet to ask."""

    def confined():
        try:
            return CONFINED in Path(f"/proc/{tab.pid}/status").read_text()
        except OSError:
            return True  # it is gone

    await eventually(confined, GONE_S, CONFINED)


async def headers_of(browser, sites):
    """What the browser sends, as the site sees it."""
    await does(browser, "goto", url=f"{sites.url}/headers")
    text = (await does(browser, "evaluate_js", code="document.body.innerText")).text
    told = msgspec.json.decode(text)
    told = msgspec.json.decode(told) if isinstance(told, str) else told
    return {name.lower(): value for name, value in told.items()}


async def test_sessions_share_a_process_and_nothing_else(tmp_path):
    async with serving() as sites, browsing(tmp_path) as browsers:
        one, two = await asyncio.gather(
            browsers.start(wanted(tmp_path, "one")), browsers.start(wanted(tmp_path, "two"))
        )
        (process,) = Family(os.getpid(), tmp_path).browsers()
        behind = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == behind
        assert one.debugger[0] == two.debugger[0]
        assert one.debugger[1] != two.debugger[1]
        await does(one, "goto", url=f"{sites.url}/cookies?set=colour=green")
        await does(one, "evaluate_js", code="localStorage.setItem('a', 'b')")
        assert [cookie["name"] for cookie in await one.cookies()] == ["colour"]
        await does(two, "goto", url=f"{sites.url}/cookies")
        assert await two.cookies() == []
        there = await does(two, "evaluate_js", code="localStorage.getItem('a')")
        assert "b" not in (there.text or "")
        await one.close()
        assert (await one.ended()).reason == "requested"
        with pytest.raises(BrowserFailed, match="was closed"):
            await one.cookies()
        assert (await two.place()).url == f"{sites.url}/cookies"
        assert two.traffic > (0, 0)


async def test_a_browser_is_as_it_was_wanted(tmp_path):
    async with serving() as sites, browsing(tmp_path) as browsers:
        plain = await browsers.start(wanted(tmp_path, "plain"))
        assert plain.viewport == (1280, 720)
        assert plain.version in plain.user_agent or "Chrome/" in plain.user_agent
        special = await browsers.start(
            wanted(
                tmp_path,
                "special",
                viewport=(800, 600),
                user_agent="Mozilla/5.0 (A Test)",
                headers={"X-Of-The-Caller": "yes"},
            )
        )
        assert (special.viewport, special.user_agent) == ((800, 600), "Mozilla/5.0 (A Test)")
        view = (await special.place()).viewport
        assert (view.width, view.height) == (800, 600)
        headers = await headers_of(special, sites)
        assert headers["user-agent"] == "Mozilla/5.0 (A Test)"
        assert headers["x-of-the-caller"] == "yes"
        headers = await headers_of(plain, sites)
        assert "x-of-the-caller" not in headers
        assert headers["user-agent"] == plain.user_agent


async def test_what_is_not_allowed_is_refused_with_the_reason(tmp_path):
    async with serving() as sites, browsing(tmp_path, allow="") as browsers:
        browser = await browsers.start(wanted(tmp_path))
        done = await browser.act(Action(type="goto", url=f"{sites.url}/"))
        assert not done.success
        assert "127.0.0.1" in done.message
        assert sites.seen == []
        # Neither does Chromium itself, outside of every session.
        port = browser.debugger[0].split(":")[2].partition("/")[0]
        done = await browser.act(Action(type="goto", url=f"http://127.0.0.1:{port}/json/version"))
        assert not done.success


async def test_no_page_reaches_the_debugger_even_where_loopback_is_allowed(tmp_path):
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        url = browser.debugger[0].replace("ws://", "http://").partition("/devtools")[0]
        async with aiohttp.ClientSession() as client, client.get(f"{url}/json/version") as answer:
            assert answer.status == 200
        done = await browser.act(Action(type="goto", url=f"{url}/json/version"))
        assert not done.success


async def test_a_proxy_that_cannot_be_used_is_said(tmp_path):
    async with browsing(tmp_path) as browsers:
        with pytest.raises(BrowserFailed, match="proxy"):
            await browsers.start(wanted(tmp_path, proxy=UpstreamProxy(server="gopher://a:1")))
        await (await browsers.start(wanted(tmp_path))).close()


async def test_so_many_sessions_a_process_and_none_longer_than_it_is_needed(tmp_path):
    family = Family(os.getpid(), tmp_path)
    patience = Patience(linger_s=0.2)
    async with browsing(tmp_path, per_process=2, patience=patience) as browsers:
        many = [await browsers.start(wanted(tmp_path, f"n{number}")) for number in range(5)]
        assert len(family.browsers()) == 3
        first = many[0].debugger[0]
        for browser in many:
            if browser.debugger[0] == first:
                await browser.close()
        await eventually(lambda: len(family.browsers()) == 2, GONE_S, "the end of the empty one")
        again = await browsers.start(wanted(tmp_path, "again"))
        assert len(family.browsers()) == 2
        assert again.debugger[0] != first
        for browser in (*many, again):
            await browser.close()
        await eventually(lambda: browsers.processes == [], GONE_S, "the end of all")
        await eventually(lambda: not family.left(), GONE_S, "the end of the driver, too")
        assert (await browsers.start(wanted(tmp_path, "later"))).id == "later"


async def test_a_spare_waits_for_who_wants_nothing_special(tmp_path):
    async with serving() as sites, browsing(tmp_path, warm=1) as browsers:
        await eventually(lambda: browsers.warm_count == 1, GONE_S, "a spare")
        special = await browsers.start(wanted(tmp_path, "special", viewport=(700, 700)))
        assert browsers.warm_count == 1
        taken = await browsers.start(wanted(tmp_path, "taken", headers={"X-Mine": "1"}))
        assert browsers.warm_count == 0
        assert (await headers_of(taken, sites))["x-mine"] == "1"
        await eventually(lambda: browsers.warm_count == 1, GONE_S, "another spare")
        assert special.debugger[1] != taken.debugger[1]


def test_a_driver_that_stands_still_is_gone_when_its_end_is_told(tmp_path):
    async def begun_and_ended():
        driver = Driver(tmp_path, GONE_S, lambda: None)
        await driver.playwright()
        os.kill(driver.pid, signal.SIGSTOP)
        await driver.close()

    asyncio.run(begun_and_ended())
    gc.collect()  # of a process that nobody has waited for it complains, which fails this test


async def test_who_no_longer_wants_a_browser_leaves_none_behind(tmp_path):
    async with browsing(tmp_path) as browsers:
        for seconds in (0.01, 0.1, 0.3, 0.5):
            starting = asyncio.create_task(browsers.start(wanted(tmp_path, f"gone-{seconds}")))
            await asyncio.sleep(seconds)
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled():
                await starting.result().close()
        there = await browsers.start(wanted(tmp_path, "there"))
        assert (await there.place()).url == "about:blank"


async def test_who_gives_up_leaves_no_context_in_a_chromium_of_others(tmp_path):
    async with browsing(tmp_path) as browsers:
        there = await browsers.start(wanted(tmp_path, "there"))
        async with aiohttp.ClientSession() as web, web.ws_connect(there.debugger[0]) as debugger:

            async def contexts():
                await debugger.send_json({"id": 1, "method": "Target.getBrowserContexts"})
                return len((await debugger.receive_json())["result"]["browserContextIds"])

            for steps in range(0, 400, 20):
                starting = asyncio.create_task(browsers.start(wanted(tmp_path, f"gone-{steps}")))
                for _ in range(steps):
                    await asyncio.sleep(0)
                starting.cancel()
                await asyncio.wait({starting})
                if not starting.cancelled():
                    await starting.result().close()
                assert await contexts() == 1, f"after {steps} steps"


async def test_a_film_is_made_beside_the_sessions(tmp_path):
    async with serving() as sites, browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        await does(browser, "goto", url=f"{sites.url}/")
        picture = tmp_path / "picture.jpg"
        picture.write_bytes(await browser.screenshot())
        await browsers.film([Picture(path=picture, shown_ms=500)], tmp_path / "film.mp4")
        assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
        assert (await browser.place()).url == f"{sites.url}/"


async def test_the_data_folder_may_have_a_very_long_name_or_a_short_one(tmp_path):
    long = tmp_path / ("a" * 100) / ("b c" * 30)
    long.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="x", dir="/tmp") as short:
        for folder in (long, Path(short)):
            async with browsing(folder) as browsers:
                browser = await browsers.start(wanted(folder))
                assert (await browser.place()).url == "about:blank"
                inside = scratch_folder(folder).is_relative_to(folder)
                assert inside == (folder != long)


async def test_after_the_end_there_is_none(tmp_path):
    browsers = chromium(tmp_path)
    await browsers.open()
    starting = asyncio.create_task(browsers.start(wanted(tmp_path, "late")))
    running = await browsers.start(wanted(tmp_path))
    await browsers.close()
    await browsers.close()
    assert (await running.ended()).reason == "service_restart"
    with pytest.raises(BrowserFailed, match="service is ending"):
        await browsers.start(wanted(tmp_path))
    await asyncio.wait({starting})
    await nothing_left(tmp_path)
    assert left(tmp_path) == []


async def test_a_program_that_is_no_browser(tmp_path):
    for program, words in (("/no/such", "no program /no/such"), ("/bin/false", "version")):
        browsers = chromium(tmp_path, program=program)
        await browsers.open()
        with pytest.raises(RuntimeUnavailable, match=words):
            await browsers.check()
        with pytest.raises(RuntimeUnavailable, match=words):
            await browsers.start(wanted(tmp_path))
        await browsers.close()
    liar = tmp_path / "liar"
    liar.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo Liar 1.0 && exit; echo no display; exit 9\n'
    )
    liar.chmod(0o755)
    browsers = chromium(tmp_path, program=str(liar))
    with pytest.raises(BrowserFailed, match="exit code 9: no display"):
        await browsers.start(wanted(tmp_path))
    await browsers.close()
    assert left(tmp_path) == []


async def test_an_ordinary_user_has_a_sandbox(tmp_path):
    script = Path(__file__).parents[1] / "support" / "browsing_process.py"
    # Root outside is nobody in particular inside: files are readable, and root's exemption is off.
    other = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    process = await asyncio.create_subprocess_exec(
        *(other if os.geteuid() == 0 else ()),
        *(sys.executable, str(script), str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            line = await process.stdout.readline()
        if line != b"ready\n" and (b"no sandbox here" in line or not line):
            pytest.skip(f"there are no user namespaces: {line.decode().strip()}")
        assert line == b"ready\n"
        tabs = Family(process.pid, tmp_path).tabs()
        assert tabs
        for tab in tabs:
            assert "--no-sandbox" not in tab.words
            await is_confined(tab)
        async with asyncio.timeout(60):
            await process.communicate(b"")
        await nothing_left(tmp_path)
        assert left(tmp_path) == []
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await nothing_left(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a cover for it")
async def test_root_has_a_sandbox_where_there_are_user_namespaces(tmp_path, monkeypatch):
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        if not cover(tmp_path):
            pytest.skip("there are no user namespaces")
        family = Family(os.getpid(), tmp_path)
        assert family.tabs()
        for process in (*family.browsers(), *family.tabs()):
            assert "--no-sandbox" not in process.words
            # Whatever it may do, it may do it in its own namespace alone.
            assert (
                Path(f"/proc/{process.pid}/ns/user").readlink()
                != Path("/proc/self/ns/user").readlink()
            )
        for tab in family.tabs():
            await is_confined(tab)
        await browser.close()
    monkeypatch.setattr("sessions.runtimes.browser.runtime.cover", lambda _: ())
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        assert (await browser.place()).url == "about:blank"
        [process] = Family(os.getpid(), tmp_path).browsers()
        assert "--no-sandbox" in process.words


async def test_a_page_that_is_refused_is_no_end_of_the_browser(tmp_path):
    async with browsing(tmp_path) as browsers:
        browser = await browsers.start(wanted(tmp_path))
        with pytest.raises(PageRefused):
            await browser.set_cookies([{"name": "a", "value": "b"}])
        assert (await browser.place()).url == "about:blank"
