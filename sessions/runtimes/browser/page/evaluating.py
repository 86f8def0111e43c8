"""A caller's JavaScript on a page: bounded in time, and its result in size, inside the page."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from playwright.async_api import CDPSession, Error

from sessions.runtimes.browser.page.outcomes import (
    CRASHED,
    FAILED,
    TIMEOUT,
    TOO_LARGE,
    Unusable,
    clean,
)
from sessions.runtimes.browser.page.scripts import script
from sessions.runtimes.browser.page.tab import Tab

CODE_MAX: Final = 1 << 20
RESULT_MAX: Final = 1 << 20


class RawResult(msgspec.Struct, frozen=True):
    """What a script in the page tells of the code that it ran."""

    text: str
    large: bool
    error: str
    failed: bool


async def evaluate(tab: Tab, code: str, seconds: float) -> str:
    """What the code comes to: a text as it is, anything else as JSON. Raises Unusable."""
    if not code.strip():
        raise Unusable("there is no code to evaluate")
    if len(code) > CODE_MAX:
        raise Unusable(f"the code is longer than {CODE_MAX} characters")
    if tab.crashed:
        raise Unusable(CRASHED, FAILED)
    if tab.hung:
        await tab.read_title(seconds)
    answer = await _run(await tab.devtools(), code, seconds)
    if "exceptionDetails" in answer:
        raise _failed(str(answer["exceptionDetails"].get("text", "")))
    try:
        result = msgspec.convert(answer["result"].get("value"), RawResult)
    except msgspec.ValidationError:
        raise _failed("") from None
    if result.failed:
        raise _failed(result.error)
    if result.large:
        raise Unusable(f"the result is longer than {RESULT_MAX} characters", TOO_LARGE)
    return result.text.encode("utf-8", "replace").decode()


async def _run(devtools: CDPSession, code: str, seconds: float) -> dict[str, Any]:
    arguments = json.dumps({"code": code, "limit": RESULT_MAX})
    given = {
        # Not the code itself: a text that it came to would be sent in full, and a line that has
        # to carry too much breaks for all who share it.
        "expression": f"({script('evaluate')})({arguments})",
        "awaitPromise": True,
        "returnByValue": True,
        "userGesture": True,
        "timeout": max(100, int(seconds * 1_000)),
    }
    try:
        answer: dict[str, Any] = await devtools.send("Runtime.evaluate", given)
    except Error as error:
        # What V8 says of code that it has stopped in the end.
        if "Internal error" in error.message:
            raise Unusable(f"the code did not end within {seconds:.3g} s", TIMEOUT) from None
        raise
    return answer


def _failed(said: str) -> Unusable:
    return Unusable(
        f"the code failed: {clean((said.splitlines() or ['an error'])[0], 500)}", FAILED
    )
