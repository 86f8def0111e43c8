"""New contexts of a browser: of one that is given up on its way nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Error

CLOSE_S: Final = 3.0


async def new_context(browser: Browser, **how: Any) -> BrowserContext:
    """A context, of which nothing is left where it is given up; raises Error."""
    making = asyncio.ensure_future(browser.new_context(**how))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        # The browser makes it all the same, and only who has it can close it.
        closing = asyncio.create_task(_close(making))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        await asyncio.wait({closing}, timeout=CLOSE_S)
        raise


_closing: set[asyncio.Task[None]] = set()


async def _close(making: asyncio.Future[BrowserContext]) -> None:
    with contextlib.suppress(Error):
        await (await making).close()
