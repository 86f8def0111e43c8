"""The element that an action means: that of the last observation, or the one a selector finds."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from playwright.async_api import ElementHandle, Error, FrameLocator, Locator, Page

from sessions.runtimes.browser.page.model import Known, selector_of
from sessions.runtimes.browser.page.outcomes import Unusable, has_moved, is_bad_selector, is_gone
from sessions.runtimes.browser.page.scripts import script
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.port import Action, PageRefused, Selector

LOOK_AGAIN_S: Final = 0.1
FRAMES_MAX: Final = 10


class About(msgspec.Struct, frozen=True):
    """What a script in the page says of one element."""

    label: str
    tag: str
    kind: str
    css: str
    xpath: str
    hosts: tuple[str, ...]
    secret: bool
    editable: bool
    usable: bool
    shown: bool


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An element of a page, as it was found."""

    handle: ElementHandle
    about: About
    selector: Selector
    name: str
    """How messages call it."""


async def find(tab: Tab, action: Action, seconds: float) -> Found:
    """The element that an action means; raises Unusable where there is none."""
    if action.id:
        return await _observed(tab, action.id)
    if action.selector is None:
        raise Unusable("the action names no element: it needs an id or a selector")
    handle = await _selected(tab.page, action.selector, seconds)
    about = await about_of(handle)
    selector = selector_of(about.css, about.xpath, about.hosts, action.selector.frames)
    name = f'"{about.label}"' if about.label else about.tag
    return Found(handle=handle, about=about, selector=selector, name=name)


async def about_of(handle: ElementHandle) -> About:
    """What an element is."""
    answer: Any = await handle.evaluate(script("about"))
    try:
        return msgspec.json.decode(answer, type=About)
    except (msgspec.MsgspecError, TypeError):
        raise PageRefused("the page cannot be read") from None


async def _observed(tab: Tab, id: str) -> Found:
    if not tab.known:
        raise Unusable(f"there is no {id}: observe the page first")
    if id not in tab.known:
        raise Unusable(f"there is no {id} among the actions of the page that was observed")
    known, frame = tab.known[id]
    gone = Unusable(f"{id} is not on the page any more: observe it again")
    if frame.is_detached():
        raise gone
    found = await tab.ask_for("find", _wanted(known), frame)
    handle = found.as_element()
    if handle is None:
        raise gone
    name = f'{id} ("{known.action.label}")' if known.action.label else id
    return Found(
        handle=handle, about=await about_of(handle), selector=known.action.selector, name=name
    )


def _wanted(known: Known) -> dict[str, Any]:
    return {
        "token": known.token,
        "key": known.key,
        "sign": known.sign,
        "css": known.css,
        "hosts": list(known.hosts),
    }


async def _selected(page: Page, selector: Selector, seconds: float) -> ElementHandle:
    """Wait for the element; where several match, the first that can be seen."""
    locators = _locators(page, selector)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        for locator in locators:
            handle = await _first(locator, deadline - loop.time())
            if handle is not None:
                return handle
        if loop.time() + LOOK_AGAIN_S >= deadline:
            told = selector.playwright or selector.css or selector.xpath
            raise Unusable(f"no element of the page matches {told[:200]!r}")
        await asyncio.sleep(LOOK_AGAIN_S)


async def _first(locator: Locator, seconds: float) -> ElementHandle | None:
    try:
        async with asyncio.timeout(max(0.2, seconds)):
            if not await locator.count():
                return None
            shown = locator.locator("visible=true")
            best = shown if await shown.count() else locator
            return await best.first.element_handle(timeout=1_000)
    except TimeoutError:
        return None
    except Error as error:
        if is_bad_selector(error.message) or is_gone(error.message):
            raise
        if has_moved(error.message) or "timeout" in error.message.lower():
            return None
        raise


def _locators(page: Page, selector: Selector) -> list[Locator]:
    scope: Page | FrameLocator = page
    if len(selector.frames) > FRAMES_MAX:
        raise Unusable(f"a selector goes through at most {FRAMES_MAX} frames")
    for frame in selector.frames:
        scope = scope.frame_locator(frame)
    written = [
        selector.playwright,
        selector.css and f"css={selector.css}",
        selector.xpath and f"xpath={selector.xpath}",
    ]
    found = [scope.locator(one) for one in written if one]
    if not found:
        raise Unusable("the selector is empty")
    return found
