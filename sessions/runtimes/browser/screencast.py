"""Pictures of a context's current tab as it changes, for any number of readers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Final

from playwright.async_api import BrowserContext, CDPSession, Error, Page

from sessions.runtimes.browser.port import Frame

INTERVAL_S: Final = 0.2
INTERVAL_S_MAX: Final = 1.0
SIDE_MAX: Final = 1280
QUALITY: Final = 60
_LONGER: Final = 1.25
_REST_S: Final = 1.5
# From here on it is worth while to stop: as long as it is on, the browser copies every change.
_STOP_S: Final = 0.4
_ANSWER_S: Final = 5.0
# A page that is just going elsewhere refuses, and is there in a moment.
_AGAIN_S: Final = 0.05
_NEWER_S: Final = 0.5
"""How long one more picture may take at the end, where there is one already."""
_KEPT: Final = 8
_WANTED: Final = {
    "format": "jpeg",
    "quality": QUALITY,
    "maxWidth": SIDE_MAX,
    "maxHeight": SIDE_MAX,
}

_Events = asyncio.Queue[dict[str, Any] | None]
"""What a tab shows; None where another one is the current one."""


class Screencast:
    """Begins with its first reader and pauses with its last.

    It follows the newest tab, and whichever `show` names. What changes now and then is seen at
    once, what changes all the time ever more seldom, down to once a second.
    """

    def __init__(self, context: BrowserContext, clock_us: Callable[[], int]) -> None:
        self._context = context
        self._clock_us = clock_us
        self._readers: set[asyncio.Queue[Frame | None]] = set()
        self._events: _Events = asyncio.Queue()
        self._page: Page | None = None
        self._listening: set[Page] = set()
        self._task: asyncio.Task[None] | None = None
        self._last: Frame | None = None
        self._unseen = True
        """True while the tab may show something of which there is no picture yet."""
        self._spare: Frame | None = None
        self._crashed_page: Page | None = None
        self._over = False
        context.on("page", self.show)
        for page in context.pages:
            self.show(page)

    def show(self, page: Page) -> None:
        """That tab is the current one from now on, and may have been acted on."""
        self._spare = None
        if page is not self._page:
            self._page = page
            self._events.put_nowait(None)
        if page not in self._listening:
            self._listening.add(page)
            page.on("close", self._closed)
            page.on("crash", self._crashed)

    def seen(self, jpeg: bytes) -> None:
        """That picture was taken for somebody else: with it none has to be asked for at the end."""
        self._spare = Frame(at_us=self._clock_us(), jpeg=jpeg)

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Pictures until the end, the last one taken first; a slow reader misses the oldest."""
        if self._over:
            return
        queue: asyncio.Queue[Frame | None] = asyncio.Queue(_KEPT)
        with self._reading(queue):
            while (frame := await queue.get()) is not None:
                yield frame

    async def close(self, within_s: float) -> None:
        """Each reader has what the tab shows last, if it says so in time; no more; never raises."""
        self._over = True
        try:
            if self._readers and self._unseen and within_s > 0:
                await self._take_last(within_s)
        finally:
            for queue in self._readers:
                _put(queue, None)
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})

    @contextlib.contextmanager
    def _reading(self, queue: asyncio.Queue[Frame | None]) -> Iterator[None]:
        self._readers.add(queue)
        if self._task is None:
            self._task = asyncio.create_task(self._cast())
        elif self._last is not None:
            _put(queue, self._last)
        try:
            yield
        finally:
            self._readers.discard(queue)
            if not self._readers and self._task is not None:
                self._task.cancel()
                self._task = None

    def _closed(self, page: Page) -> None:
        self._listening.discard(page)
        if page is self._page:
            left = [other for other in self._context.pages if other is not page]
            self._page = left[-1] if left else None
            self._events.put_nowait(None)

    def _crashed(self, page: Page) -> None:
        self._crashed_page = page
        if page is self._page:
            self._events.put_nowait(None)

    async def _cast(self) -> None:
        """One tab after the other."""
        self._last = None
        pause_s = _AGAIN_S
        while True:
            events = self._events = asyncio.Queue()
            self._unseen = True
            page, before = self._page, self._last
            if page is None:
                await events.get()
                continue
            with contextlib.suppress(Error, TimeoutError):
                await self._follow(page, events)
                pause_s = _AGAIN_S
                continue
            # A tab that crashed, hangs or is about to close has no pictures.
            pause_s = _AGAIN_S if self._last is not before else min(2 * pause_s, _ANSWER_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    while await events.get() is not None:
                        pass

    async def _follow(self, page: Page, events: _Events) -> None:
        """Take pictures of the tab until another one is the current one; raises Error."""
        async with asyncio.timeout(_ANSWER_S):
            session = await self._context.new_cdp_session(page)
        try:
            session.on("Page.screencastFrame", events.put_nowait)
            await _send(session, "Page.startScreencast", _WANTED)
            await self._take(session, events)
        finally:
            # Of a tab that crashed no answer comes: the next one need not wait for it.
            _in_background(session.detach)

    async def _take(self, session: CDPSession, events: _Events) -> None:
        loop = asyncio.get_running_loop()
        interval, allowed_at = INTERVAL_S, -math.inf
        while (event := await events.get()) is not None:
            self._unseen = True
            changed = self._taken(event)
            restless = changed and loop.time() - allowed_at < _REST_S
            interval = min(INTERVAL_S_MAX, interval * _LONGER) if restless else INTERVAL_S
            # The browser takes one more picture for each that is acknowledged: that is the brake.
            if interval < _STOP_S:
                await asyncio.sleep(interval)
                number = {"sessionId": event["sessionId"]}
                await _send(session, "Page.screencastFrameAck", number)
            else:
                await _send(session, "Page.stopScreencast")
                await asyncio.sleep(interval)
                if not _emptied(events):
                    return
                # Begins with a picture, which is the same again where the page is at rest now.
                await _send(session, "Page.startScreencast", _WANTED)
            self._unseen = False
            allowed_at = loop.time()

    async def _take_last(self, within_s: float) -> None:
        """Have the picture that the brake would have kept back, or that never came."""
        page, last, spare = self._page, self._last, self._spare
        if spare is not None and (last is None or last.at_us < spare.at_us):
            self._give(spare)
            return
        if page is None or page is self._crashed_page:
            return
        with contextlib.suppress(Error, TimeoutError):
            limit_s = within_s if last is None else min(within_s, _NEWER_S)
            async with asyncio.timeout(limit_s):
                session = await self._context.new_cdp_session(page)
                self._taken(await _captured(session))

    def _taken(self, event: dict[str, Any]) -> bool:
        """Give the picture to all readers, unless it is the same again; True where it is not."""
        frame = Frame(at_us=self._clock_us(), jpeg=base64.b64decode(event["data"]))
        if self._last is not None and self._last.jpeg == frame.jpeg:
            return False
        self._give(frame)
        return True

    def _give(self, frame: Frame) -> None:
        self._last = frame
        for queue in self._readers:
            _put(queue, frame)


async def _captured(session: CDPSession) -> dict[str, Any]:
    """A picture of the same kind and size as those that the browser sends by itself."""
    metrics: dict[str, Any] = await session.send("Page.getLayoutMetrics")
    view = metrics["cssVisualViewport"]
    width, height = view["clientWidth"], view["clientHeight"]
    clip = {
        "x": view["pageX"],
        "y": view["pageY"],
        "width": width,
        "height": height,
        "scale": min(1.0, SIDE_MAX / max(1, width, height)),
    }
    wanted = {"format": "jpeg", "quality": QUALITY, "clip": clip}
    answer: dict[str, Any] = await session.send("Page.captureScreenshot", wanted)
    return answer


async def _send(session: CDPSession, method: str, params: dict[str, Any] | None = None) -> None:
    async with asyncio.timeout(_ANSWER_S):
        await session.send(method, params)


_under_way: set[asyncio.Task[None]] = set()


def _in_background(send: Callable[[], Awaitable[None]]) -> None:
    async def quietly() -> None:
        with contextlib.suppress(Error, TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                await send()

    task = asyncio.create_task(quietly())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


def _emptied(events: _Events) -> bool:
    """Forget what came meanwhile; False where another tab is the current one."""
    while not events.empty():
        if events.get_nowait() is None:
            return False
    return True


def _put(queue: asyncio.Queue[Frame | None], frame: Frame | None) -> None:
    """Always in order; the oldest makes room for the newest."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(frame)
