"""One Chromium that several sessions live in, each in a context of its own; watched to its end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from playwright.async_api import Browser, Error, Playwright

from sessions.runtimes.browser.argv import Launch, port_of
from sessions.runtimes.browser.driver import Driver
from sessions.runtimes.browser.port import BrowserFailed, Ending
from sessions.runtimes.browser.process import ChromiumProcess, launch
from sessions.runtimes.exit_codes import how_it_ended
from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.undoing import undone

ARTIFACTS: Final = "artifacts"
_FATAL: Final = ":FATAL:"
_WORDS_MAX: Final = 200
_SETTLE_S: Final = 2.0


T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long what may take, in seconds."""

    start_s: float = 30.0
    open_s: float = 20.0
    close_s: float = 5.0
    beat_s: float = 5.0
    silent_s: float = 8.0
    """How long no answer comes until it is asked again; after the second time it is ended."""
    linger_s: float = 60.0
    """How long a Chromium without any session is kept for the next one."""


class Host:
    """Made by `raise_host`; whoever lives in it keeps `rooms`, and `fit` says if more may come."""

    def __init__(
        self,
        process: ChromiumProcess,
        browser: Browser,
        debugger: str,
        folders: tuple[Path, Path],
        user_agent: str,
    ) -> None:
        self.browser = browser
        self.debugger = debugger
        self.version = browser.version
        self.user_agent = user_agent
        self.rooms = 0
        self.expected = 0
        """How many are on their way in."""
        self.served = 0
        self.fit = True
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._process = process
        self._folders = folders
        self._beating: asyncio.Task[None] | None = None
        self._cleaning: asyncio.Task[None] | None = None
        browser.on("disconnected", self._disconnected)
        process.died.add_done_callback(self._died)

    @property
    def pid(self) -> int:
        """The process id of Chromium's first process, and of the session of all of them."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where its debugger listens."""
        return port_of(self.debugger)

    @property
    def crowd(self) -> int:
        """How many sessions it has or is about to have."""
        return self.rooms + self.expected

    def watch(self, driver: Driver, patience: Patience) -> None:
        """End it when it does not answer any more."""
        self._beating = asyncio.create_task(self._beat(driver, patience))

    def end(self, ending: Ending) -> None:
        """It is no more, for this reason; the first one counts."""
        if self.ended.done():
            return
        self.fit = False
        self.ended.set_result(ending)
        self._process.kill()
        self._cleaning = asyncio.create_task(self._clean())

    async def gone(self) -> None:
        """Wait until nothing of it is left, after its end."""
        await asyncio.shield(self.ended)
        if self._cleaning is not None:
            await asyncio.shield(self._cleaning)

    def _died(self, died: asyncio.Future[int]) -> None:
        said = [line for line in self._process.last_words.splitlines() if _FATAL in line]
        why = f"Chromium ended: {how_it_ended(died.result())}"
        detail = ": ".join([why, *(line[:_WORDS_MAX] for line in said[:1])])
        self.end(Ending(reason="runtime_failed", detail=detail))

    def _disconnected(self, _: Browser) -> None:
        self.fit = False
        if not self.ended.done():
            # The pipe breaks a moment before the process is gone, which says more.
            asyncio.get_running_loop().call_later(_SETTLE_S, self.end, _CUT_OFF)

    async def _beat(self, driver: Driver, patience: Patience) -> None:
        try:
            session = await _within(self.browser.new_browser_cdp_session(), patience.silent_s)
            while True:
                await asyncio.sleep(patience.beat_s)
                try:
                    await _within(session.send("Browser.getVersion"), patience.silent_s)
                except TimeoutError:
                    # It may be the service that stood still: then the answer lies there.
                    await _within(session.send("Browser.getVersion"), patience.silent_s)
        except TimeoutError:
            if await driver.answers():
                self.end(_silent(2 * patience.silent_s))
        except Error:
            # Cut off: that is told in another way.
            return

    async def _clean(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
        await self._process.died
        for folder in self._folders:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


_CUT_OFF: Final = Ending(reason="runtime_failed", detail="the connection to Chromium broke")


def _silent(seconds: float) -> Ending:
    detail = f"Chromium did not answer for {seconds:g} s and was ended"
    return Ending(reason="runtime_failed", detail=detail)


async def raise_host(
    driver: Driver,
    how: Launch,
    folders: tuple[Path, Path],
    patience: Patience,
    ready: Callable[[int], None],
) -> Host:
    """A Chromium that answers; `ready` is told the port of its debugger before anybody uses it.

    The folders are its profile and that of its sockets. Raises BrowserFailed or
    RuntimeUnavailable, and leaves nothing behind then.
    """
    process: ChromiumProcess | None = None
    # Both take a while, and neither needs the other to begin.
    driving = asyncio.create_task(driver.playwright())
    try:
        for folder in folders:
            await to_its_end(partial(folder.mkdir, mode=0o700))
        process, debugger = await launch(how, *folders, patience.start_s)
        ready(port_of(debugger))
        playwright = await driving
        connect = partial(
            playwright.chromium.connect_over_cdp,
            debugger,
            artifacts_dir=folders[0] / ARTIFACTS,
            is_local=True,
            no_defaults=True,
        )
        browser = await process.unless_dead(_told(connect), patience.start_s, "the first answer")
        user_agent = await process.unless_dead(
            _told(partial(_user_agent, browser)), patience.start_s, "the first answer"
        )
    except BaseException as error:
        await undone(_unmade(driving, process, folders))
        if isinstance(error, OSError):
            raise BrowserFailed(f"Chromium cannot be started: {error}") from None
        raise
    host = Host(process, browser, debugger, folders, user_agent)
    host.watch(driver, patience)
    return host


async def _unmade(
    driving: asyncio.Task[Playwright], process: ChromiumProcess | None, folders: tuple[Path, Path]
) -> None:
    driving.cancel()
    await asyncio.wait({driving})
    if not driving.cancelled():
        driving.exception()
    if process is not None:
        process.kill()
        await process.died
    for folder in folders:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _within(awaited: Awaitable[T], timeout_s: float) -> T:
    async with asyncio.timeout(timeout_s):
        return await awaited


async def _user_agent(browser: Browser) -> str:
    session = await browser.new_browser_cdp_session()
    answer: dict[str, Any] = await session.send("Browser.getVersion")
    await session.detach()
    return str(answer["userAgent"])


async def _told(ask: Callable[[], Awaitable[T]]) -> T:
    # Asked here: a task that is cancelled before its first step would leave a coroutine behind.
    try:
        return await ask()
    except Error as error:
        raise BrowserFailed(f"Chromium does not answer: {error.message}") from None
