"""What each action does to a page: one function for each, in a table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Error

from sessions.runtimes.browser.page import fields
from sessions.runtimes.browser.page.doing import Deed, Doing, done_to
from sessions.runtimes.browser.page.elements import Found
from sessions.runtimes.browser.page.evaluating import evaluate
from sessions.runtimes.browser.page.navigation import back, forward, reload, visit
from sessions.runtimes.browser.page.outcomes import FAILED, Unusable, clean, is_detached
from sessions.runtimes.browser.port import ActionType

WAIT_MS_MAX: Final = 60_000
KEY_MAX: Final = 64


async def _close_tab(doing: Doing) -> Deed:
    await doing.tabs.close(doing.tab)
    front = await doing.tabs.front()
    return Deed(message=f"Closed tab {doing.tab.id}; tab {front.id} is in front")


async def _switch_tab(doing: Doing) -> Deed:
    tab = await doing.tabs.bring(doing.action.tab_index)
    return Deed(message=f"Tab {tab.id} is in front")


async def _wait(doing: Doing) -> Deed:
    time_ms = doing.action.time_ms
    if not 0 <= time_ms <= WAIT_MS_MAX:
        raise Unusable(f"a wait lasts from 0 to {WAIT_MS_MAX} ms")
    await asyncio.sleep(time_ms / 1_000)
    return Deed(message=f"Waited {time_ms} ms")


async def _press_key(doing: Doing) -> Deed:
    key = doing.action.key
    if not 0 < len(key) <= KEY_MAX:
        raise Unusable("the action names no key")
    await doing.tab.listen()
    await doing.tab.page.keyboard.press(key)
    await doing.tab.settle()
    return Deed(message=f"Pressed {clean(key, KEY_MAX)}")


async def _scroll(doing: Doing) -> Deed:
    action = doing.action
    if action.amount is not None and not 0 <= action.amount <= 1_000_000:
        raise Unusable("pages scroll by 0 to 1000000 pixels")
    down = action.type == "scroll_down"
    given: dict[str, Any] = {"amount": action.amount, "down": down, "element": None}
    if action.id or action.selector is not None:
        given["element"] = (await doing.element()).handle
    moved = await doing.tab.ask("scroll", given)
    await doing.tab.settle()
    where = "down" if down else "up"
    if not isinstance(moved, int) or moved <= 0:
        return Deed(message=f"Nothing scrolls further {where}")
    return Deed(message=f"Scrolled {where} by {moved} pixels")


async def _evaluate_js(doing: Doing) -> Deed:
    text = await evaluate(doing.tab, doing.action.code, doing.left)
    await doing.tab.settle()
    return Deed(message="Evaluated the JavaScript code", text=text)


async def _click(doing: Doing) -> Deed:
    before = doing.downloads.count
    found = await _clicked(doing)
    await doing.tab.settle()
    message = f"Clicked {found.name}"
    if doing.downloads.count > before:
        stored = await doing.downloads.one_after(before, min(doing.left, 10.0))
        file = stored if isinstance(stored, Path) else None
        told = f"downloaded {file.name}" if file else str(stored)
        return done_to(found, f"{message}; {told}", file=file)
    return done_to(found, message)


async def _clicked(doing: Doing) -> Found:
    """The element, after the click; one that is drawn anew meanwhile is looked for again."""
    for last in (False, False, True):
        found = await doing.element()
        try:
            await found.handle.click(timeout=doing.left_ms)
        except Error as error:
            if last or not is_detached(error.message):
                raise
        else:
            return found
    raise AssertionError("the last try returns or raises")


async def _download_file(doing: Doing) -> Deed:
    found = await doing.element()
    before = doing.downloads.count
    # A link to something that the browser would show is to be stored as well.
    await found.handle.evaluate(
        "one => { const link = one.closest?.('a[href]');"
        " if (link && !link.hasAttribute('download')) link.setAttribute('download', ''); }"
    )
    await found.handle.click(timeout=doing.left_ms)
    stored = await doing.downloads.one_after(before, doing.left)
    if stored is None:
        raise Unusable(f"{found.name} started no download", FAILED)
    if not isinstance(stored, Path):
        raise Unusable(stored, FAILED)
    return done_to(found, f"Downloaded {stored.name}", file=stored)


async def _fill(doing: Doing) -> Deed:
    found = await doing.element()
    action = doing.action
    await fields.fill(found, action.value, doing.left_ms, clear=action.clear_before_fill)
    if doing.action.press_enter:
        await found.handle.press("Enter", timeout=doing.left_ms)
    await doing.tab.settle()
    return done_to(found, f"Filled {found.name}", secret=found.about.secret)


async def _check(doing: Doing) -> Deed:
    found = await doing.element()
    checked = await fields.check(found, doing.action.value, doing.left_ms)
    await doing.tab.settle()
    return done_to(found, f"{'Checked' if checked else 'Cleared'} {found.name}")


async def _select(doing: Doing) -> Deed:
    found = await doing.element()
    option = await fields.select(found, doing.action.value, doing.left_ms)
    await doing.tab.settle()
    return done_to(found, f"Selected {option!r} of {found.name}")


async def _upload_file(doing: Doing) -> Deed:
    found = await doing.element()
    if doing.action.file is None:
        raise Unusable("the action names no file")
    await fields.upload(doing.tab.page, found, doing.action.file, doing.left_ms)
    await doing.tab.settle()
    return done_to(found, f"Uploaded {doing.action.file.name} to {found.name}")


async def _form_fill(doing: Doing) -> Deed:
    filled, missing, secret = await fields.fill_form(doing.tab, doing.action, doing.left_ms)
    await doing.tab.settle()
    if not filled:
        raise Unusable(f"the page has no field for {', '.join(missing)}", FAILED)
    message = f"Filled {', '.join(filled)}"
    if missing:
        raise Unusable(f"{message}; the page has no field for {', '.join(missing)}", FAILED)
    return Deed(message=message, secret=secret)


ACTS: Final[dict[ActionType, Callable[[Doing], Awaitable[Deed]]]] = {
    "goto": visit,
    "goto_new_tab": visit,
    "close_tab": _close_tab,
    "switch_tab": _switch_tab,
    "go_back": back,
    "go_forward": forward,
    "reload": reload,
    "wait": _wait,
    "press_key": _press_key,
    "scroll_up": _scroll,
    "scroll_down": _scroll,
    "evaluate_js": _evaluate_js,
    "form_fill": _form_fill,
    "click": _click,
    "fill": _fill,
    "check": _check,
    "select_dropdown_option": _select,
    "upload_file": _upload_file,
    "download_file": _download_file,
}
