"""A visitor of the test sites: pages of a real Chromium, and what a test does there in a line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from playwright.async_api import Browser, BrowserContext, async_playwright

from sessions.runtimes.browser.availability import find_chromium
from sessions.runtimes.browser.page import observing, pages
from sessions.runtimes.browser.page.pages import Pages
from sessions.runtimes.browser.port import (
    Action,
    ActionType,
    Done,
    Observation,
    PageAction,
    Selector,
    Tab,
)
from tests.support.sites import Sites, serving

PATIENCE_S = 60.0
PATIENCE_MS = 60_000


class Opened(NamedTuple):
    """A Chromium, and the sites that it may visit."""

    browser: Browser
    sites: Sites


class Visitor:
    """The pages of one context, and the sites that they visit."""

    def __init__(self, context: BrowserContext, folder: Path, sites: Sites) -> None:
        self.context = context
        self.folder = folder
        self.sites = sites
        self.pages = Pages(context, folder)

    async def act(self, type: ActionType, **fields: Any) -> Done:
        """What came of an action, which may take as long as it needs unless it is told."""
        return await self.pages.act(Action(type=type, **{"timeout_ms": PATIENCE_MS, **fields}))

    async def do(self, type: ActionType, **fields: Any) -> Done:
        """The same of an action that succeeds."""
        done = await self.act(type, **fields)
        assert done.success, done.message
        assert not done.error_type
        return done

    async def fails(self, type: ActionType, **fields: Any) -> tuple[str, str]:
        """Message and class of error of an action that fails."""
        done = await self.act(type, **fields)
        assert not done.success, done.message
        assert done.place is not None
        return done.message, done.error_type

    async def out_of_time(self, type: ActionType, **fields: Any) -> Done:
        """What came of an action that takes all its time: more of it where it could not begin."""
        for timeout_ms in (1_000, 10_000):
            done = await self.act(type, timeout_ms=timeout_ms, **fields)
            if not done.message.startswith("it was not done within"):
                return done
        return await self.act(type, **fields)

    async def goto(self, path: str, **fields: Any) -> Done:
        """Go to a page of the sites."""
        return await self.do("goto", url=self.sites.url + path, **fields)

    async def tabs(self, count: int) -> tuple[Tab, ...]:
        """The tabs once there are that many, which open and close by themselves."""
        async with asyncio.timeout(PATIENCE_S):
            while len(tabs := (await self.pages.place()).tabs) != count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return tabs

    async def observe(self, most: int = 100) -> Observation:
        """What can be done, without a picture."""
        return await self.pages.observe(actions_max=most, screenshot=False, markdown=False)

    async def named(self, label: str) -> PageAction:
        """The only action with that label on the page as it is now."""
        found = [one for one in (await self.observe()).actions if one.label == label]
        assert len(found) == 1, (label, found)
        return found[0]

    async def click(self, label: str, **fields: Any) -> Done:
        """Click what has that label."""
        return await self.do("click", id=(await self.named(label)).id, **fields)

    async def text(self, code: str) -> str:
        """What a JavaScript expression says."""
        done = await self.do("evaluate_js", code=code)
        assert done.text is not None
        return done.text

    async def title(self) -> str:
        """The title of the page."""
        return (await self.pages.place()).title


def css(selector: str, *frames: str) -> Selector:
    """An element by a CSS selector."""
    return Selector(css=selector, frames=frames)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Opened]:
    """A Chromium for the tests of a module, and the sites."""
    async with serving() as sites, async_playwright() as driver:
        found = find_chromium()
        browser = await driver.chromium.launch(
            executable_path=found.program, chromium_sandbox=found.sandbox
        )
        try:
            yield Opened(browser, sites)
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def visiting(opened: Opened, folder: Path) -> AsyncIterator[Visitor]:
    """A visitor with a context of its own, with one empty page.

    Tabs and frames that come are waited for, however busy the machine is.
    """
    context = await opened.browser.new_context(viewport={"width": 1280, "height": 720})
    await context.new_page()
    visitor = Visitor(context, folder, opened.sites)
    arrive = mock.patch.object(pages, "ARRIVE_S", PATIENCE_S)
    frame = mock.patch.object(observing, "FRAME_S", PATIENCE_S)
    try:
        with arrive, frame:
            yield visitor
    finally:
        await visitor.pages.close()
        await context.close()
