"""A browser of one session: a context of its own in a Chromium that others may share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, TypeVar

from playwright.async_api import BrowserContext, Error, Page

from sessions.runtimes.browser.exchanges import Exchanges
from sessions.runtimes.browser.explained import explained
from sessions.runtimes.browser.guard import NOTHING_PASSES_BY, Door
from sessions.runtimes.browser.host import Host
from sessions.runtimes.browser.new_context import new_context
from sessions.runtimes.browser.page.pages import Pages
from sessions.runtimes.browser.port import (
    Action,
    BrowserFailed,
    Done,
    Ending,
    Exchange,
    Frame,
    Observation,
    PageRefused,
    Place,
    Scraped,
    ScrapeWanted,
    Wanted,
)
from sessions.runtimes.browser.screencast import SIDE_MAX, Screencast

VIEWPORT: Final = (1280, 720)
CLOSED: Final = Ending(reason="requested", detail="the browser was closed")
_CONTEXT_GONE: Final = Ending(reason="runtime_failed", detail="the context of the browser is gone")
_CALL_S_MAX: Final = 120.0
"""No call takes longer: each is bounded on its own, so this is for what nobody thought of."""
_LAST_WORDS_S: Final = 3.0
_CRASH_S: Final = 1.0
_NOT_DONE: Final = "ActionExecutionError"
_US: Final = 1_000_000

T = TypeVar("T")


class Room:
    """A context with one empty page and its way to the net, before it is anybody's."""

    def __init__(
        self, host: Host, door: Door, context: BrowserContext, page: Page, context_id: str
    ) -> None:
        self.host = host
        self.door = door
        self.context = context
        self.page = page
        self.context_id = context_id
        self.exchanges = Exchanges(context, door.trouble)
        self._leaving: asyncio.Task[None] | None = None
        host.rooms += 1
        host.served += 1
        # Also where it is nobody's yet, and nobody looks after it.
        host.ended.add_done_callback(self._host_ended)

    @property
    def alive(self) -> bool:
        """False where it has ended meanwhile."""
        return not self.host.ended.done() and not self.page.is_closed()

    async def stop(self) -> None:
        """Nobody wants it any more; never raises."""
        await self.leave(_LAST_WORDS_S)

    async def leave(self, timeout_s: float) -> None:
        """Nothing of it is left, whatever the pages do; the first call says within what time."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(timeout_s))
        await asyncio.shield(self._leaving)

    def _host_ended(self, _: asyncio.Future[Ending]) -> None:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(0.0))

    async def _leave(self, timeout_s: float) -> None:
        self.host.ended.remove_done_callback(self._host_ended)
        # First, so that nothing more gets out while the pages say goodbye.
        await self.door.close()
        self.exchanges.close()
        if not self.host.ended.done():
            closing = asyncio.ensure_future(self.context.close())
            if not await _over(closing, timeout_s / 2):
                # A page that is busy for ever would go on being busy.
                await asyncio.gather(*(self._crash(page) for page in self.context.pages))
                if not await _over(closing, timeout_s / 2):
                    closing.cancel()
                    self.host.fit = False
        self.host.rooms -= 1

    async def _crash(self, page: Page) -> None:
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(_CRASH_S):
                session = await self.context.new_cdp_session(page)
                await session.send("Page.crash")


async def make_room(host: Host, door: Door, wanted: Wanted | None) -> Room:
    """A context with one empty page; as anybody may want it where nobody is named.

    Raises BrowserFailed, and closes the door then.
    """
    width, height = (wanted and wanted.viewport) or VIEWPORT
    context: BrowserContext | None = None
    try:
        context = await new_context(
            host.browser,
            viewport={"width": width, "height": height},
            user_agent=wanted.user_agent if wanted else None,
            extra_http_headers=wanted.headers if wanted else None,
            proxy={"server": door.server, "bypass": NOTHING_PASSES_BY},
            accept_downloads=True,
        )
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        told: dict[str, Any] = await session.send("Target.getTargetInfo")
        await session.detach()
    except BaseException as error:
        await door.close()
        if context is not None:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await asyncio.shield(context.close())
        if isinstance(error, Error):
            raise BrowserFailed(f"the browser could not be opened: {error.message}") from None
        raise
    return Room(host, door, context, page, told["targetInfo"]["browserContextId"])


class ContextBrowser:
    """Implements `Browser`."""

    def __init__(self, wanted: Wanted, room: Room, close_s: float) -> None:
        self.id = wanted.id
        self.version = room.host.version
        self.user_agent = wanted.user_agent or room.host.user_agent
        self.viewport = wanted.viewport or VIEWPORT
        self._room = room
        self._close_s = close_s
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._leaving: asyncio.Task[None] | None = None
        self._pages = Pages(room.context, wanted.folder)
        self._screencast = Screencast(room.context, _now_us)
        room.context.on("close", self._context_closed)
        room.host.ended.add_done_callback(self._host_ended)

    def end(self, ending: Ending) -> None:
        """It is no more, for this reason; the first one counts."""
        if not self._ended.done():
            self._ended.set_result(ending)
            self._leaving = asyncio.create_task(self._leave())

    async def ended(self) -> Ending:
        """Wait for the end of the browser, however it comes; for any number of callers."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Close it; nothing of it is left but its folder. May be repeated; never raises."""
        self.end(CLOSED)
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    async def place(self) -> Place:
        """Where it is."""
        return await self._alive(self._pages.place())

    async def observe(self, *, actions_max: int, screenshot: bool, markdown: bool) -> Observation:
        """What can be done on the current page; raises PageRefused or BrowserFailed."""
        seen = await self._alive(
            self._pages.observe(actions_max=actions_max, screenshot=screenshot, markdown=markdown)
        )
        if seen.screenshot and max(self.viewport) <= SIDE_MAX:
            self._screencast.seen(seen.screenshot)
        return seen

    async def act(self, action: Action) -> Done:
        """Do it, within its time; raises only BrowserFailed."""
        mark = self._room.door.mark
        try:
            done = await self._alive(self._pages.act(action))
        except PageRefused as error:
            done = Done(success=False, message=str(error), error_type=_NOT_DONE)
        if self._pages.page is not None:
            self._screencast.show(self._pages.page)
        return explained(done, action.url, self._room.door, mark)

    async def scrape(self, wanted: ScrapeWanted) -> Scraped:
        """Read the current page; raises PageRefused or BrowserFailed."""
        return await self._alive(self._pages.scrape(wanted))

    async def screenshot(self, *, full_page: bool = False) -> bytes:
        """A JPEG of the current page; raises PageRefused or BrowserFailed."""
        return await self._alive(self._pages.screenshot(full_page=full_page))

    async def cookies(self) -> list[dict[str, Any]]:
        """All cookies of the session, in the words of Playwright."""
        return await self._alive(self._pages.cookies())

    async def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        """Add or replace cookies; raises PageRefused for one that cannot be."""
        await self._alive(self._pages.set_cookies(cookies))

    def frames(self) -> AsyncIterator[Frame]:
        """Pictures as the page changes, until the end; a slow reader misses some."""
        return self._screencast.frames()

    def exchanges(self, after: int = 0) -> tuple[Exchange, ...]:
        """What the browser asked the network for, in order, from that one on; a bounded number."""
        return self._room.exchanges.after(after)

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes sent and received so far."""
        return self._room.door.traffic

    @property
    def debugger(self) -> tuple[str, str]:
        """The websocket URL of the whole browser process, and the id of this one's context."""
        return self._room.host.debugger, self._room.context_id

    @property
    def ending(self) -> Ending | None:
        """Why it is no more; None while it is."""
        return self._ended.result() if self._ended.done() else None

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._close_s):
                # Of a Chromium that is gone no answer may ever come.
                gone = self._room.host.ended.done()
                await self._screencast.close(0.0 if gone else self._close_s / 2)
                await self._pages.close()
        except (Error, OSError, TimeoutError):
            pass  # whatever the pages still want: the context goes
        finally:
            await self._room.leave(self._close_s)
            self._room.host.ended.remove_done_callback(self._host_ended)

    def _host_ended(self, ended: asyncio.Future[Ending]) -> None:
        self.end(ended.result())

    def _context_closed(self, _: BrowserContext) -> None:
        # Where all of Chromium is going, its own end says more.
        loop = asyncio.get_running_loop()
        loop.call_later(_LAST_WORDS_S, self.end, _CONTEXT_GONE)

    async def _alive(self, awaited: Awaitable[T]) -> T:
        """What was awaited; raises BrowserFailed where the browser ends before it comes."""
        task = asyncio.ensure_future(awaited)
        either: set[asyncio.Future[Any]] = {task, self._ended}
        try:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(either, timeout=_CALL_S_MAX, return_when=first)
            if task.done() and not self._ended.done():
                return task.result()
            if not task.done() and not self._ended.done():
                raise PageRefused(f"the page did not answer within {_CALL_S_MAX:g} s")
        except (BrowserFailed, Error) as error:
            # What is said of a browser that is going: in a moment more is known.
            await asyncio.wait({self._ended}, timeout=_LAST_WORDS_S)
            if not self._ended.done():
                if isinstance(error, BrowserFailed):
                    raise
                raise PageRefused(error.message) from None
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_LAST_WORDS_S)
            if task.done() and not task.cancelled():
                task.exception()
        raise BrowserFailed(self._ended.result().detail)


async def _over(closing: asyncio.Future[None], timeout_s: float) -> bool:
    """True if it has come to its end by then, well or not."""
    await asyncio.wait({closing}, timeout=timeout_s)
    if not closing.done():
        return False
    if not closing.cancelled():
        closing.exception()
    return True


def _now_us() -> int:
    return round(time.time() * _US)
