"""What a browser asked the net for: the network log of a session, of bounded length."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from msgspec.structs import replace
from playwright.async_api import Error as PlaywrightError

from sessions.runtimes.browser.http_heads import ANSWERED_HERE, PROXY_STATUS
from sessions.runtimes.browser.port import Exchange

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Request, Response

KEPT_MAX: Final = 5_000
URL_CHARS_MAX: Final = 4_096
READING_MAX: Final = 64
READ_S: Final = 5.0
MS_US: Final = 1_000
_LOGGED: Final = ("http:", "https:")

Why = Callable[[str], str]
"""Why the place of a URL was not reached; nothing where it was."""


class _Entry:
    def __init__(self, number: int, exchange: Exchange) -> None:
        self.number = number
        self.exchange = exchange


class Exchanges:
    """The exchanges of a context as they end; the oldest are forgotten first."""

    def __init__(self, context: BrowserContext, why: Why) -> None:
        self._why = why
        self._kept: deque[_Entry] = deque(maxlen=KEPT_MAX)
        self._numbers = itertools.count(1)
        self._reading: set[asyncio.Task[None]] = set()
        context.on("requestfinished", self._ended)
        context.on("requestfailed", self._ended)

    def after(self, number: int) -> tuple[Exchange, ...]:
        """Those that came after so many, of which the oldest may be forgotten."""
        return tuple(entry.exchange for entry in self._kept if entry.number > number)

    def close(self) -> None:
        """Read no more sizes."""
        for task in self._reading:
            task.cancel()

    def _ended(self, request: Request) -> None:
        if not request.url.startswith(_LOGGED):
            return
        response = request.existing_response
        entry = _Entry(next(self._numbers), self._exchange(request, response))
        self._kept.append(entry)
        if response is not None and len(self._reading) < READING_MAX:
            task = asyncio.get_running_loop().create_task(_read_sizes(request, entry))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    def _exchange(self, request: Request, response: Response | None) -> Exchange:
        timing = request.timing
        return Exchange(
            at_us=max(0, round(timing["startTime"] * MS_US)),
            method=request.method,
            url=shown(request.url),
            resource=request.resource_type,
            status=None if response is None else response.status,
            error=self._error(request, response),
            request_bytes=0,
            response_bytes=0,
            duration_ms=max(0, round(timing["responseEnd"])),
        )

    def _error(self, request: Request, response: Response | None) -> str:
        """What went wrong: in the words of the guard where it knows, else of the browser."""
        if response is not None:
            ours = response.headers.get(PROXY_STATUS.lower(), "") == ANSWERED_HERE
            return self._why(request.url) if ours else ""
        return self._why(request.url) or request.failure or ""


async def _read_sizes(request: Request, entry: _Entry) -> None:
    """Fill in what only the driver knows; where the page is gone it is not known."""
    try:
        async with asyncio.timeout(READ_S):
            sizes = await request.sizes()
    except (PlaywrightError, TimeoutError):
        return
    entry.exchange = replace(
        entry.exchange,
        request_bytes=max(0, sizes["requestHeadersSize"] + sizes["requestBodySize"]),
        response_bytes=max(0, sizes["responseHeadersSize"] + sizes["responseBodySize"]),
    )


def shown(url: str) -> str:
    """The URL as it may be kept: without a login, without a fragment, not too long."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=place, fragment=""))[:URL_CHARS_MAX]
