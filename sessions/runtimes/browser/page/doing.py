"""An action while it is done: what it may take, what it is done to, and what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from sessions.runtimes.browser.page.downloads import Downloads
from sessions.runtimes.browser.page.elements import Found, find
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.page.tabs import Tabs
from sessions.runtimes.browser.port import Action, Selector


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    message: str
    text: str | None = None
    file: Path | None = None
    selector: Selector | None = None
    label: str = ""
    secret: bool = False


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """An action that is being done, and what it is done to."""

    action: Action
    tabs: Tabs
    tab: Tab
    downloads: Downloads
    deadline: float

    @property
    def left(self) -> float:
        """Seconds until it must be done."""
        return max(0.1, self.deadline - asyncio.get_running_loop().time())

    @property
    def left_ms(self) -> float:
        """The same in milliseconds."""
        return self.left * 1_000

    async def element(self) -> Found:
        """The element it is done to."""
        await self.tab.listen()
        return await find(self.tab, self.action, self.left)


def done_to(found: Found, message: str, *, secret: bool = False, file: Path | None = None) -> Deed:
    """What was done to an element."""
    return Deed(
        message=message,
        selector=found.selector,
        label=found.about.label,
        secret=secret,
        file=file,
    )
