"""One tab: its page is asked and settles, and each question to it has an end."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import msgspec
from playwright.async_api import CDPSession, Error, Frame, JSHandle, Page, Request
from playwright.async_api import TimeoutError as DriverTimeout

from sessions.runtimes.browser.page.destinations import BLANK, told
from sessions.runtimes.browser.page.model import Known, Numbering, RawPlace
from sessions.runtimes.browser.page.outcomes import (
    CRASHED,
    HUNG,
    TAB_CLOSED,
    clean,
    first_line,
    has_moved,
    is_gone,
)
from sessions.runtimes.browser.page.scripts import TOO_LARGE, Name, script
from sessions.runtimes.browser.port import BrowserFailed, PageRefused, Viewport

ANSWER_S: Final = 10.0
PROBE_S: Final = 1.0
STILL_MS: Final = 60
QUIET_MS: Final = 1_000
IDLE_S: Final = 2.0
READY_MS: Final = 2_000
_MOVES_MAX: Final = 5
_AWAITED: Final = frozenset({"document", "fetch", "xhr", "script"})
_NO_PAGE: Final = "net::ERR_ABORTED"
_UNKNOWN_VIEW: Final = Viewport(
    scroll_x=0, scroll_y=0, width=0, height=0, total_width=0, total_height=0
)


class Tab:
    """A tab; `known` are the actions of its last observation, by their ids."""

    def __init__(self, id: int, page: Page) -> None:
        self.id = id
        self.title = ""
        self.view = _UNKNOWN_VIEW
        self.numbering = Numbering()
        self.known: dict[str, tuple[Known, Frame]] = {}
        self.document = ""
        self.crashed = False
        self.hung = False
        self.opens = 0
        """How many other tabs it was about to open."""
        self.endless = False
        """True for a page that went on loading for longer than anybody waits."""
        self.page = page
        self._asked: set[Request] = set()
        self._coming: Request | None = None
        """The next document, which may be had as a whole before the page shows any of it."""
        self._idle = asyncio.Event()
        self._devtools: CDPSession | None = None
        self._listen(page)

    @property
    def url(self) -> str:
        """Where it is, without user and password."""
        return told(self.page.url or BLANK)

    @property
    def fit(self) -> bool:
        """Whether its page is thought to answer."""
        return not self.crashed and not self.hung

    @property
    def busy(self) -> bool:
        """Whether it still waits for something that it asked for, and that may come."""
        return self._waits and not self.endless

    def replace(self, page: Page) -> None:
        """It goes on with another page."""
        self.page = page
        self.title = ""
        self.crashed = self.hung = self.endless = False
        self.known.clear()
        self.begin()
        self._devtools = None
        self._listen(page)

    def begin(self) -> None:
        """Something new is done: what was asked for before is not waited for any more."""
        self._asked.clear()
        self._coming = None
        self._idle.set()

    async def ask(
        self,
        name: Name,
        given: Any = None,
        *,
        frame: Frame | None = None,
        seconds: float = ANSWER_S,
    ) -> Any:
        """What a script says; raises PageRefused where the page does not answer in time."""
        result = await self._evaluate(script(name), given, frame, seconds, handle=False)
        if result == TOO_LARGE:
            raise PageRefused("the page is too large")
        return result

    async def ask_for(self, name: Name, given: Any, frame: Frame | None = None) -> JSHandle:
        """The element that a script finds, or a handle of null."""
        handle: JSHandle = await self._evaluate(script(name), given, frame, ANSWER_S, handle=True)
        return handle

    async def devtools(self) -> CDPSession:
        """The debugging session of the page, opened when it is first needed."""
        if self._devtools is None:
            page = self.page
            devtools = await page.context.new_cdp_session(page)
            devtools.on("Page.windowOpen", self._opens)
            await devtools.send("Page.enable")
            self._devtools = devtools
        return self._devtools

    async def listen(self) -> None:
        """Hear of it when the page opens another tab, which takes a while to be there."""
        if self.fit:
            await self.devtools()

    async def read_title(self, seconds: float) -> None:
        """Learn title and viewport; a page that does not answer keeps those it had."""
        answer = await self.ask("place", seconds=seconds)
        with contextlib.suppress(msgspec.MsgspecError):
            raw = msgspec.json.decode(answer, type=RawPlace)
            self.title, self.view = clean(raw.title, 500), raw.view

    async def settle(self, seconds: float = IDLE_S) -> None:
        """Wait until what was begun is done and the page is still, for a bounded time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.fit:
            with contextlib.suppress(PageRefused):
                quiet = {"still_ms": STILL_MS, "most_ms": QUIET_MS}
                await self.ask("quiet", quiet, seconds=max(PROBE_S, seconds))
            if not self.busy or loop.time() >= deadline:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), deadline - loop.time())

    async def loaded(self, seconds: float) -> bool:
        """Wait until it is loaded and still; False where the loading did not end in time."""
        try:
            await self.page.wait_for_load_state("load", timeout=max(1.0, seconds * 1000))
        except DriverTimeout:
            self.endless = True
        except Error as error:
            raise self._refused(error) from None
        await self.settle(min(seconds, IDLE_S))
        return not self.endless

    async def ready(self) -> None:
        """Wait until the document is there as a whole, unless it never comes."""
        if not self.endless and self.fit:
            with contextlib.suppress(Error):
                await self.page.wait_for_load_state("domcontentloaded", timeout=READY_MS)

    async def _evaluate(
        self, source: str, given: Any, frame: Frame | None, seconds: float, *, handle: bool
    ) -> Any:
        if self.crashed:
            raise PageRefused(CRASHED)
        where = frame or self.page.main_frame
        limit = min(seconds, PROBE_S) if self.hung else seconds
        try:
            async with asyncio.timeout(limit):
                for _ in range(_MOVES_MAX):
                    try:
                        ask = where.evaluate_handle if handle else where.evaluate
                        result = await ask(source, given)
                    except Error as error:
                        if not has_moved(error.message) or where.is_detached():
                            raise self._refused(error) from None
                        await asyncio.sleep(0.05)
                    else:
                        self.hung = False
                        return result
        except TimeoutError:
            # A frame of another site may hang alone, and a first answer may be slow.
            if where is self.page.main_frame:
                self.hung = True
            raise PageRefused(HUNG) from None
        raise PageRefused("the page goes on to other pages without an end")

    def _refused(self, error: Error) -> Exception:
        if self.crashed or "crashed" in error.message.lower():
            return PageRefused(CRASHED)
        if is_gone(error.message):
            browser = self.page.context.browser
            if browser is not None and not browser.is_connected():
                return BrowserFailed("the browser is gone")
            return PageRefused(TAB_CLOSED)
        return PageRefused(first_line(error.message))

    def _listen(self, page: Page) -> None:
        page.on("crash", self._has_crashed)
        page.on("request", self._request_began)
        page.on("requestfinished", self._request_ended)
        page.on("requestfailed", self._request_failed)
        page.on("framenavigated", self._navigated)

    def _opens(self, _: dict[str, Any]) -> None:
        self.opens += 1

    def _has_crashed(self, page: Page) -> None:
        if page is self.page:
            self.crashed = True
            self.known.clear()

    def _navigated(self, frame: Frame) -> None:
        if frame is self.page.main_frame:
            self.crashed = self.hung = self.endless = False
            self._coming = None
            self._look_idle()

    @property
    def _waits(self) -> bool:
        return bool(self._asked) or self._coming is not None

    def _look_idle(self) -> None:
        if not self._waits:
            self._idle.set()

    def _request_began(self, request: Request) -> None:
        if request.resource_type in _AWAITED and len(self._asked) < 500:
            self._asked.add(request)
            if self._is_next(request):
                self._coming = request
            self._idle.clear()

    def _is_next(self, request: Request) -> bool:
        try:
            return request.is_navigation_request() and request.frame is self.page.main_frame
        except Error:
            return False  # its frame is not known yet

    def _request_ended(self, request: Request) -> None:
        self._asked.discard(request)
        self._look_idle()

    def _request_failed(self, request: Request) -> None:
        # After any other failure comes a page that tells of it.
        if request is self._coming and _NO_PAGE in (request.failure or ""):
            self._coming = None
        self._request_ended(request)
