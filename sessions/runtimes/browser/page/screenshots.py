"""Pictures of a page as JPEG, of a bounded size."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, Final

from playwright.async_api import Error

from sessions.runtimes.browser.page.outcomes import CRASHED, HUNG, TAB_CLOSED, first_line, is_gone
from sessions.runtimes.browser.page.tab import PROBE_S, Tab
from sessions.runtimes.browser.port import PageRefused

QUALITY: Final = 75
HEIGHT_MAX: Final = 16_000
WIDTH_MAX: Final = 8_000
TAKE_S: Final = 8.0


async def take(tab: Tab, *, full_page: bool = False) -> bytes:
    """A picture of what can be seen, or of the whole page; raises PageRefused."""
    if tab.crashed:
        raise PageRefused(CRASHED)
    try:
        async with asyncio.timeout(PROBE_S if tab.hung else TAKE_S):
            devtools = await tab.devtools()
            given: dict[str, Any] = {"format": "jpeg", "quality": QUALITY}
            if full_page:
                sizes: dict[str, Any] = await devtools.send("Page.getLayoutMetrics")
                whole = sizes["cssContentSize"]
                given["captureBeyondViewport"] = True
                given["clip"] = {
                    "x": 0,
                    "y": 0,
                    "width": max(1, min(whole["width"], WIDTH_MAX)),
                    "height": max(1, min(whole["height"], HEIGHT_MAX)),
                    "scale": 1,
                }
            answer: dict[str, Any] = await devtools.send("Page.captureScreenshot", given)
        return base64.b64decode(answer["data"])
    except TimeoutError:
        raise PageRefused(HUNG) from None
    except Error as error:
        if is_gone(error.message):
            raise PageRefused(TAB_CLOSED) from None
        raise PageRefused(first_line(error.message)) from None
    except (KeyError, binascii.Error):
        raise PageRefused("the page gives no picture") from None
