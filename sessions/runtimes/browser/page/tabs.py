"""The tabs of a context: ids that last, which one is in front, and what opens or ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from playwright.async_api import BrowserContext, Dialog, Error, Page

from sessions.runtimes.browser.page.downloads import Downloads
from sessions.runtimes.browser.page.outcomes import TAB_CLOSED, clean, is_gone
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.port import BrowserFailed, PageRefused
from sessions.runtimes.browser.port import Tab as TabTold

TABS_MAX: Final = 20
ASIDE_MAX: Final = 8
OPEN_S: Final = 10.0
CLOSE_S: Final = 5.0
TITLE_S: Final = 0.5


class Tabs:
    """All tabs of one context; there is always one in front, also after the last was closed."""

    def __init__(self, context: BrowserContext, downloads: Downloads) -> None:
        self._context = context
        self._downloads = downloads
        self._tabs: dict[int, Tab] = {}
        self._next = 0
        self._front: Tab | None = None
        self._aside: list[str] = []
        self._opening = False
        self._came = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        for page in context.pages:
            self._adopt(page)
        context.on("page", self._opened)
        context.on("dialog", self._answer)

    @property
    def page(self) -> Page | None:
        """The page in front, if there is one."""
        return None if self._front is None else self._front.page

    async def front(self) -> Tab:
        """The tab in front; a new one where none is left. Raises BrowserFailed."""
        if self._front is None:
            try:
                return await self.open()
            except PageRefused as refusal:
                raise BrowserFailed(str(refusal)) from None
        return self._front

    async def open(self) -> Tab:
        """A new blank tab in front."""
        if len(self._tabs) >= TABS_MAX:
            raise PageRefused(f"there are {TABS_MAX} tabs already: close one first")
        self._front = self._adopt(await self._new_page())
        return self._front

    async def close(self, tab: Tab) -> None:
        """Close a tab, also one that hangs."""
        self._closed(tab)
        await self._close_page(tab.page)

    def begin(self) -> None:
        """Something new is done."""
        self._aside.clear()
        self._came.clear()

    async def arrive(self, tab: Tab, before: int, seconds: float) -> None:
        """Wait for the tab that this one has begun to open meanwhile, for a bounded time."""
        if tab.opens <= before:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)
        front = await self.front()
        if front is not tab:
            with contextlib.suppress(PageRefused):
                await front.loaded(seconds)

    async def bring(self, index: int) -> Tab:
        """The tab with that id, or else at that place of the list, to the front."""
        tab = self._tabs.get(index)
        if tab is None:
            tabs = list(self._tabs.values())
            if not -len(tabs) <= index < len(tabs):
                ids = ", ".join(str(one.id) for one in tabs)
                raise PageRefused(f"there is no tab {index}: the tabs are {ids}")
            tab = tabs[index]
        self._front = tab
        if tab.fit:
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await tab.page.bring_to_front()
        return tab

    async def renew(self, tab: Tab) -> None:
        """Give a tab that hangs or has crashed a page that answers; it keeps its id."""
        old = tab.page
        tab.replace(await self._new_page())
        self._listen(tab)
        await self._close_page(old)

    async def told(self) -> tuple[TabTold, ...]:
        """The tabs as they are told; one that does not answer has the title that it had."""
        await asyncio.gather(*(self._retitle(tab) for tab in self._tabs.values()))
        return tuple(
            TabTold(id=tab.id, title=tab.title, url=tab.url) for tab in self._tabs.values()
        )

    def aside(self) -> list[str]:
        """What happened besides since the last call: dialogs, new tabs, closed ones."""
        told, self._aside = self._aside, []
        return told

    async def leave(self) -> None:
        """Nothing goes on in the background any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _new_page(self) -> Page:
        self._opening = True
        try:
            async with asyncio.timeout(OPEN_S):
                mine = await self._context.new_page()
        except TimeoutError:
            raise BrowserFailed("the browser opens no tab any more") from None
        except Error as error:
            if is_gone(error.message):
                raise BrowserFailed("the browser is gone") from None
            raise PageRefused("the browser opens no tab") from None
        finally:
            self._opening = False
        for page in self._context.pages:
            if page is not mine:
                self._opened(page)
        return mine

    async def _close_page(self, page: Page) -> None:
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await page.close()

    async def _retitle(self, tab: Tab) -> None:
        if tab is self._front or not tab.fit:
            return
        with contextlib.suppress(PageRefused, BrowserFailed):
            await tab.read_title(TITLE_S)

    def _adopt(self, page: Page) -> Tab:
        known = next((tab for tab in self._tabs.values() if tab.page is page), None)
        if known is not None:
            return known
        tab = Tab(self._next, page)
        self._next += 1
        self._tabs[tab.id] = tab
        if self._front is None:
            self._front = tab
        self._listen(tab)
        return tab

    def _listen(self, tab: Tab) -> None:
        page = tab.page

        def closed(_: Page) -> None:
            if tab.page is page and tab.id in self._tabs:
                self._note(TAB_CLOSED)
                self._closed(tab)

        page.on("close", closed)
        page.on("download", self._downloads.begin)

    def _opened(self, page: Page) -> None:
        if self._opening or any(tab.page is page for tab in self._tabs.values()):
            return  # `_new_page` looks at all of them in a moment
        self._came.set()
        if len(self._tabs) >= TABS_MAX:
            self._note(f"a tab was not opened: there are {TABS_MAX} already")
            self._go(self._close_page(page))
            return
        self._front = self._adopt(page)
        self._note(f"a new tab was opened ({self._front.id})")

    def _closed(self, tab: Tab) -> None:
        if self._tabs.get(tab.id) is not tab:
            return
        before = list(self._tabs)
        place = before.index(tab.id)
        del self._tabs[tab.id]
        if self._front is tab:
            left = list(self._tabs.values())
            self._front = left[max(0, place - 1)] if left else None

    def _answer(self, dialog: Dialog) -> None:
        message = clean(dialog.message, 200)
        match dialog.type:
            case "beforeunload":
                self._note("the page wanted to keep the visitor, and was left")
            case "alert":
                self._note(f'the page said "{message}"')
            case _:
                self._note(f'the page asked "{message}", and was answered with OK')
        self._go(self._accept(dialog))

    async def _accept(self, dialog: Dialog) -> None:
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await dialog.accept(dialog.default_value if dialog.type == "prompt" else "")

    def _note(self, what: str) -> None:
        if len(self._aside) < ASIDE_MAX:
            self._aside.append(what)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
