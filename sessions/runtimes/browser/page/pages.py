"""The pages of one context: where it is, what can be done there, doing it, and reading it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec
from playwright.async_api import BrowserContext, Error, Page
from playwright.async_api import TimeoutError as DriverTimeout

from sessions.runtimes.browser.page import observing, scraping, screenshots
from sessions.runtimes.browser.page.acts import ACTS
from sessions.runtimes.browser.page.doing import Deed, Doing
from sessions.runtimes.browser.page.downloads import Downloads
from sessions.runtimes.browser.page.outcomes import (
    FAILED,
    HUNG,
    MESSAGE_MAX,
    TIMEOUT,
    Unusable,
    clean,
    first_line,
    is_gone,
    unusable,
)
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.page.tabs import Tabs
from sessions.runtimes.browser.port import (
    Action,
    BrowserFailed,
    Done,
    Observation,
    PageRefused,
    Place,
    Scraped,
    ScrapeWanted,
)

ACT_S_MAX: Final = 90.0
GRACE_S: Final = 1.0
PLACE_S: Final = 3.0
ARRIVE_S: Final = 3.0
COOKIES_S: Final = 10.0
COOKIES_MAX: Final = 1_000
_COOKIE_FIELDS: Final = frozenset(
    [
        "name",
        "value",
        "url",
        "domain",
        "path",
        "expires",
        "httpOnly",
        "secure",
        "sameSite",
        "partitionKey",
    ]
)


class Pages:
    """What `Browser` says of pages; each call ends in a bounded time, whatever the page does."""

    def __init__(self, context: BrowserContext, folder: Path) -> None:
        self._context = context
        self._downloads = Downloads(folder / "downloads")
        self._tabs = Tabs(context, self._downloads)

    @property
    def page(self) -> Page | None:
        """The page in front, if there is one."""
        return self._tabs.page

    async def place(self) -> Place:
        """Where it is; a page that does not answer is where it was last seen."""
        tab = await self._tabs.front()
        with contextlib.suppress(PageRefused):
            await tab.read_title(PLACE_S)
        return await self._told(tab)

    async def observe(self, *, actions_max: int, screenshot: bool, markdown: bool) -> Observation:
        """What can be done on the current page; raises PageRefused or BrowserFailed."""
        tab = await self._tabs.front()
        await tab.ready()
        seen, picture = await asyncio.gather(
            self._look(tab, actions_max), self._picture(tab, screenshot), return_exceptions=True
        )
        if isinstance(seen, BaseException):
            raise seen
        text = ""
        if markdown:
            text = (await scraping.read(tab, ScrapeWanted())).markdown
        return Observation(
            place=await self._told(tab),
            description=seen.description,
            category=seen.category,
            actions=tuple(known.action for known in seen.known),
            screenshot=picture if isinstance(picture, bytes) else b"",
            markdown=text,
        )

    async def act(self, action: Action) -> Done:
        """Do it, within its time; raises only BrowserFailed."""
        loop = asyncio.get_running_loop()
        seconds = min(max(0.1, action.timeout_ms / 1_000), ACT_S_MAX)
        if action.type == "wait":
            seconds = ACT_S_MAX
        self._tabs.begin()
        tab = await self._tabs.front()
        opens = tab.opens
        tab.begin()
        doing = Doing(
            action=action,
            tabs=self._tabs,
            tab=tab,
            downloads=self._downloads,
            deadline=loop.time() + seconds,
        )
        done = await self._done(doing, seconds)
        await self._tabs.arrive(tab, opens, ARRIVE_S)
        place = await self.place()
        if not done.success and tab.hung:
            done = msgspec.structs.replace(done, message=HUNG, error_type=TIMEOUT)
        message = clean("; ".join([done.message, *self._tabs.aside()]), 2 * MESSAGE_MAX)
        return msgspec.structs.replace(done, message=message, place=place)

    async def scrape(self, wanted: ScrapeWanted) -> Scraped:
        """Read the current page; raises PageRefused or BrowserFailed."""
        tab = await self._tabs.front()
        await tab.ready()
        read = await scraping.read(tab, wanted)
        return Scraped(
            place=await self.place(),
            markdown=read.markdown,
            images=read.images,
            placeholders=read.placeholders,
        )

    async def screenshot(self, *, full_page: bool = False) -> bytes:
        """A JPEG of the current page; raises PageRefused or BrowserFailed."""
        return await screenshots.take(await self._tabs.front(), full_page=full_page)

    async def cookies(self) -> list[dict[str, Any]]:
        """All cookies of the session, in the words of Playwright."""
        try:
            async with asyncio.timeout(COOKIES_S):
                return [dict(cookie) for cookie in await self._context.cookies()]
        except TimeoutError:
            raise BrowserFailed("the browser does not answer") from None
        except Error as error:
            raise self._failed(error) from None

    async def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        """Add or replace cookies; raises PageRefused for one that cannot be."""
        if len(cookies) > COOKIES_MAX:
            raise PageRefused(f"at most {COOKIES_MAX} cookies are set at once")
        given: list[Any] = [
            {name: value for name, value in cookie.items() if name in _COOKIE_FIELDS}
            for cookie in cookies
        ]
        try:
            async with asyncio.timeout(COOKIES_S):
                await self._context.add_cookies(given)
        except TimeoutError:
            raise BrowserFailed("the browser does not answer") from None
        except Error as error:
            raise self._failed(error) from None

    async def close(self) -> None:
        """Nothing goes on in the background any more; the context itself is its maker's."""
        await self._downloads.leave()
        await self._tabs.leave()

    async def _look(self, tab: Tab, most: int) -> observing.Seen:
        seen = await observing.look(tab, most)
        if not seen.known and tab.busy:
            # A page that draws itself by scripts has only just begun.
            await tab.settle()
            seen = await observing.look(tab, most)
        return seen

    async def _picture(self, tab: Tab, wanted: bool) -> bytes:
        return await screenshots.take(tab) if wanted else b""

    async def _told(self, tab: Tab) -> Place:
        return Place(url=tab.url, title=tab.title, tabs=await self._tabs.told(), viewport=tab.view)

    async def _done(self, doing: Doing, seconds: float) -> Done:
        try:
            async with asyncio.timeout(seconds + GRACE_S):
                return _success(await ACTS[doing.action.type](doing))
        except Unusable as refusal:
            return _failure(refusal)
        except PageRefused as refusal:
            return _failure(Unusable(str(refusal), FAILED))
        except TimeoutError:
            return _failure(Unusable(f"it was not done within {seconds:g} s", TIMEOUT))
        except Error as error:
            if is_gone(error.message) and not self._connected:
                raise BrowserFailed("the browser is gone") from None
            is_timeout = isinstance(error, DriverTimeout)
            return _failure(unusable(error.message, is_timeout, seconds))

    @property
    def _connected(self) -> bool:
        browser = self._context.browser
        return browser is None or browser.is_connected()

    def _failed(self, error: Error) -> Exception:
        if is_gone(error.message):
            return BrowserFailed("the browser is gone")
        return PageRefused(first_line(error.message))


def _success(deed: Deed) -> Done:
    return Done(
        success=True,
        message=deed.message,
        text=deed.text,
        file=deed.file,
        selector=deed.selector,
        label=deed.label,
        secret=deed.secret,
    )


def _failure(why: Unusable) -> Done:
    return Done(success=False, message=str(why), error_type=why.error_type)
