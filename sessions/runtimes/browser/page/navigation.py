"""Ways from page to page: each waits for what it began, and not longer than it may."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, Literal, get_args

from playwright.async_api import Error, Response

from sessions.runtimes.browser.page.destinations import BadDestination, destination
from sessions.runtimes.browser.page.doing import Deed, Doing
from sessions.runtimes.browser.page.outcomes import FAILED, Unusable, place_of
from sessions.runtimes.browser.page.tab import Tab

Until = Literal["commit", "domcontentloaded", "load", "networkidle"]
UNTILS: Final = get_args(Until)
LOAD_S: Final = 4.0
"""A page that is there and still loads after that is looked at as it is."""
LANDED_MS: Final = 1_000
STOP_S: Final = 1.0
_DOWNLOAD: Final = "download is starting"
_NO_PAGE: Final = "net::ERR_ABORTED"
_ELSEWHERE: Final = "interrupted by another navigation"
_ERROR_PAGE: Final = "chrome-error:"
_AT_ERROR_PAGE: Final = re.compile(f"^{_ERROR_PAGE}")


async def visit(doing: Doing) -> Deed:
    """Go to the URL of an action; a tab that hangs or has crashed gets a page that answers."""
    action = doing.action
    try:
        url = destination(action.url)
    except BadDestination as error:
        raise Unusable(str(error)) from None
    if action.wait_until and action.wait_until not in UNTILS:
        raise Unusable(f"a visit waits until one of {', '.join(UNTILS)}")
    tab = doing.tab
    if action.type == "goto_new_tab":
        tab = await doing.tabs.open()
    elif not tab.fit:
        await doing.tabs.renew(tab)
    until: Any = action.wait_until or "commit"
    return await _travel(
        doing, tab, lambda: tab.page.goto(url, wait_until=until, timeout=doing.left_ms)
    )


async def back(doing: Doing) -> Deed:
    """The page before, as the back button has it."""
    await _is_there(doing.tab, -1, "there is no page to go back to")
    page = doing.tab.page
    return await _travel(
        doing, doing.tab, lambda: page.go_back(wait_until="commit", timeout=doing.left_ms)
    )


async def forward(doing: Doing) -> Deed:
    """The page that `back` came from."""
    await _is_there(doing.tab, 1, "there is no page to go forward to")
    page = doing.tab.page
    return await _travel(
        doing, doing.tab, lambda: page.go_forward(wait_until="commit", timeout=doing.left_ms)
    )


async def reload(doing: Doing) -> Deed:
    """The same page again, also one that has crashed."""
    tab = doing.tab
    if tab.fit:
        return await _travel(
            doing, tab, lambda: tab.page.reload(wait_until="commit", timeout=doing.left_ms)
        )
    url = tab.page.url
    await doing.tabs.renew(tab)
    return await _travel(
        doing, tab, lambda: tab.page.goto(url, wait_until="commit", timeout=doing.left_ms)
    )


Trip = Any


async def _travel(doing: Doing, tab: Tab, trip: Trip) -> Deed:
    before = doing.downloads.count
    try:
        response = await _going(tab, trip)
    except Error as error:
        if _DOWNLOAD in error.message.lower():
            return await _downloaded(doing, before)
        if _NO_PAGE not in error.message:
            await _landed(tab)
        raise
    whole = await tab.loaded(min(doing.left, LOAD_S))
    message = f"Went to {place_of(tab.url)}"
    if response is not None and response.status >= 400:
        message += f"; the site answered with status {response.status}"
    if not whole:
        message += "; parts of the page still load"
    return Deed(message=message)


async def _going(tab: Tab, trip: Trip) -> Response | None:
    """The first answer; a page that sends the visitor on at once is no failure."""
    for _ in range(2):
        try:
            went: Awaitable[Response | None] = trip()
            return await went
        except Error as error:
            if _ELSEWHERE not in error.message:
                raise
            if _ERROR_PAGE not in error.message:
                return None
            # The error page of the visit before came late: it is only in the way.
            await _landed(tab)
    raise Unusable("the page could not be loaded", FAILED)


async def _downloaded(doing: Doing, before: int) -> Deed:
    stored = await doing.downloads.one_after(before, doing.left)
    if isinstance(stored, Path):
        return Deed(message=f"Downloaded {stored.name}", file=stored)
    raise Unusable(stored or "the site sent a file that could not be stored", FAILED)


async def _landed(tab: Tab) -> None:
    """A visit that failed leads to an error page, unless there was nothing to show."""
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(STOP_S):
            await (await tab.devtools()).send("Page.stopLoading")
    with contextlib.suppress(Error):
        await tab.page.wait_for_url(_AT_ERROR_PAGE, wait_until="commit", timeout=LANDED_MS)


async def _is_there(tab: Tab, step: int, why: str) -> None:
    history: dict[str, Any] = await (await tab.devtools()).send("Page.getNavigationHistory")
    place = history["currentIndex"] + step
    if not 0 <= place < len(history["entries"]):
        raise Unusable(why)
