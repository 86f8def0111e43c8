"""Fields of forms: each is given its value as a person would give it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Error, Page
from playwright.async_api import TimeoutError as DriverTimeout

from sessions.runtimes.browser.page.elements import About, Found, about_of
from sessions.runtimes.browser.page.model import selector_of
from sessions.runtimes.browser.page.outcomes import FAILED, Unusable
from sessions.runtimes.browser.page.tab import Tab
from sessions.runtimes.browser.port import Action

VALUE_MAX: Final = 1 << 20
PATIENCE_MS: Final = 2_000
FRAMES_MAX: Final = 10
KINDS_MAX: Final = 40
_SECRETS: Final = frozenset(
    {"current_password", "new_password", "totp", "cc_number", "cc_cvv", "cc_exp"}
)
_STRICT: Final = frozenset({"date", "time", "month", "week", "datetime-local", "number"})
"""Fields that forget a value which they do not understand."""
_OPTIONS: Final = """one => Array.from(one.options).slice(0, 2000).map((option, index) =>
  [index, option.label.trim(), option.value, option.disabled])"""


async def fill(found: Found, value: object, timeout_ms: float, *, clear: bool = True) -> None:
    """Put a text into a field; raises Unusable where it takes none."""
    if not isinstance(value, str):
        raise Unusable("the action has no text to fill in")
    if len(value) > VALUE_MAX:
        raise Unusable(f"the value is longer than {VALUE_MAX} characters")
    if not found.about.editable:
        raise Unusable(f"{found.name} takes no text: it is a {found.about.tag}")
    if not clear:
        before = await found.handle.evaluate("one => one.value ?? one.textContent ?? ''")
        value = f"{before}{value}"
    await found.handle.fill(value, timeout=timeout_ms)
    if value and found.about.kind in _STRICT and not await found.handle.input_value():
        raise Unusable(f"{found.name} takes no such value: it is a {found.about.kind}")


async def check(found: Found, value: object, timeout_ms: float) -> bool:
    """Check or clear a box; a missing value checks it."""
    wanted = _truth(value)
    try:
        await found.handle.set_checked(wanted, timeout=min(timeout_ms, PATIENCE_MS))
    except DriverTimeout:
        # Often the box itself is invisible, and a picture of one is in its label. A busy page may
        # have changed it all the same, and would change it back.
        if await found.handle.is_checked() is not wanted:
            await found.handle.evaluate("one => (one.labels?.[0] ?? one).click()")
    state = await found.handle.is_checked()
    if state is not wanted:
        raise Unusable(f"{found.name} did not change", FAILED)
    return wanted


async def select(found: Found, value: object, timeout_ms: float) -> str:
    """Select an option by its label or its value; which one it was."""
    if not isinstance(value, str):
        raise Unusable("the action names no option")
    if found.about.tag != "select":
        raise Unusable(f"{found.name} has no options: it is a {found.about.tag}")
    options: list[list[Any]] = await found.handle.evaluate(_OPTIONS)
    open_options = [one for one in options if not one[3]]
    wanted = value.strip()
    rules = (
        lambda one: one[1] == wanted,
        lambda one: one[2] == value,
        lambda one: str(one[1]).casefold() == wanted.casefold(),
    )
    for rule in rules:
        chosen = next((one for one in open_options if rule(one)), None)
        if chosen is not None:
            await found.handle.select_option(index=chosen[0], timeout=timeout_ms)
            return str(chosen[1] or chosen[2])[:200]
    offered = ", ".join(repr(str(one[1])[:40]) for one in open_options[:20])
    raise Unusable(f"{found.name} has no option {wanted[:100]!r}: it has {offered}")


async def upload(page: Page, found: Found, file: Path, timeout_ms: float) -> None:
    """Give a file to a field, or to what opens a file chooser."""
    if not file.is_file():
        raise Unusable(f"there is no file {file.name}")
    if found.about.tag == "input" and found.about.kind == "file":
        await found.handle.set_input_files(file, timeout=timeout_ms)
        return
    try:
        async with page.expect_file_chooser(timeout=min(timeout_ms, PATIENCE_MS)) as chooser:
            await found.handle.click(timeout=timeout_ms)
        await (await chooser.value).set_files(file, timeout=timeout_ms)
    except DriverTimeout:
        raise Unusable(f"{found.name} takes no file", FAILED) from None


async def fill_form(
    tab: Tab, action: Action, timeout_ms: float
) -> tuple[list[str], list[str], bool]:
    """Fill fields by what they are for: those filled, those not found, whether one was secret."""
    filled: list[str] = []
    missing: list[str] = []
    taken: list[Any] = []
    secret = False
    if not 0 < len(action.values) <= KINDS_MAX:
        raise Unusable("the action has no values to fill in")
    for given, value in action.values.items():
        kind = "current_password" if given == "password" else given
        found = await _field(tab, kind, taken)
        if found is None:
            missing.append(given)
            continue
        taken.append(found.handle)
        if found.about.tag == "select":
            await select(found, value, timeout_ms)
        else:
            await fill(found, value, timeout_ms)
        filled.append(given)
        secret = secret or found.about.secret or kind in _SECRETS
    return filled, missing, secret


async def _field(tab: Tab, kind: str, taken: list[Any]) -> Found | None:
    main = tab.page.main_frame
    for frame in [main, *(one for one in tab.page.frames if one is not main)][:FRAMES_MAX]:
        with contextlib.suppress(Error):
            mine = [one for one in taken if await one.owner_frame() is frame]
            handle = (
                await tab.ask_for("fields", {"kind": kind, "taken": mine}, frame)
            ).as_element()
            if handle is not None:
                about: About = await about_of(handle)
                selector = selector_of(about.css, about.xpath, about.hosts, ())
                return Found(handle=handle, about=about, selector=selector, name=kind)
    return None


def _truth(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return value is not False
    if isinstance(value, str) and value.strip().lower() in {"true", "1", "yes", "on", "checked"}:
        return True
    if isinstance(value, str) and value.strip().lower() in {"false", "0", "no", "off", ""}:
        return False
    raise Unusable("the value of a box is true or false")
