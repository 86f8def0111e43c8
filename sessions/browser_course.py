"""The course of a browser from the wish for it to its end: one task goes with it all the way.

The wish stands in the log before there is any browser. Whatever goes wrong, the task ends with
`browser.closed`, a session that has ended, and nothing left of the browser but what was kept.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.errors import EventStoreError, LogClosed
from projections.events.browser import BrowserClosed, BrowserOpened
from projections.events.status import ENDED, STATUSES, Status
from projections.folds.session import Session
from sessions.browser_book import BrowserBook, moved
from sessions.browser_files import Files
from sessions.browser_life import End, Life, Limits, failure_of, reason_of, words_of
from sessions.browser_network import kept_traffic
from sessions.browser_opening import opening_of, opening_of_spec, requested
from sessions.domain.policy import DETAIL_CHARS_MAX
from sessions.domain.rejections import Rejection
from sessions.gate import Gate
from sessions.runtimes.browser.port import Browser, BrowserError, Browsers, Ending, Wanted

RETRY_S: Final = 1.0
PLACE: Final = 1
"""What each browser takes of the gate's budget, which is a number of browsers."""
ALIVE: Final[frozenset[Status]] = frozenset(STATUSES) - ENDED
STARTS_FROM: Final[frozenset[Status]] = frozenset({"pending", "queued"})
RUNS_FROM: Final[frozenset[Status]] = frozenset({"pending", "queued", "starting", "resuming"})
STOPS_FROM: Final[frozenset[Status]] = ALIVE - {"pending", "queued", "stopping"}

_log = structlog.get_logger()

OnOpened = Callable[[Session, Browser], None]
OnClosed = Callable[[Session, Path], Awaitable[None]]


class Courses:
    """Goes with browsers from the wish for them to their end."""

    def __init__(
        self, book: BrowserBook, browsers: Browsers, gate: Gate, files: Files, limits: Limits
    ) -> None:
        self.closing = False
        self.on_opened: list[OnOpened] = []
        self.on_closed: list[OnClosed] = []
        self._book = book
        self._browsers = browsers
        self._gate = gate
        self._files = files
        self._limits = limits

    async def run(self, life: Life, session: Session) -> None:
        """Open the browser, and go with it to its end."""
        try:
            end = await self._come_up(life, session) or await self._stay(life)
        except Exception as error:  # noqa: BLE001 - a browser without an end would be one for ever
            _log.error("browser.crashed", session=life.session, exc_info=error)
            end = End("runtime_failed", words_of(error))
        end = replace(end, detail=end.detail[:DETAIL_CHARS_MAX])
        life.leaving = True
        state = await self._wind_down(life, end)
        self._gate.left(life.session)
        if not life.up.done():
            life.up.set_exception(failure_of(end))
        life.over.set_result(end)
        await self._aftermath(life, state)

    # Up.

    async def _come_up(self, life: Life, session: Session) -> End | None:
        """None once the browser answers; else how it ended before."""
        up = asyncio.create_task(self._up(life, session), name=f"open {life.session}")
        first: set[asyncio.Future[Any]] = {up, life.asked}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            await asyncio.wait({up}, timeout=self._limits.stop_s)
        if life.asked.done():
            if up.done() and not up.cancelled():
                up.exception()  # it was faster; what it says does not matter any more
            return life.asked.result()
        error = up.exception()
        return None if error is None else _end_of_start(life, error)

    async def _up(self, life: Life, session: Session) -> None:
        opening = life.opening
        if session.browser is None or session.browser.requested_at is None:
            opening = opening or opening_of_spec(session)
            wish = await requested(self._book, life.session, opening)
            await self._book.tell(life.session, lambda _: (wish,), life.who)
        elif opening is None:
            opening = await opening_of(self._book, life.session, session.browser)
        await self._let_in(life)
        await self._book.move(
            life.session, "starting", "requested", only_from=STARTS_FROM, who=life.who
        )
        await self._files.lay_out(life)
        wanted = Wanted(
            id=life.session,
            folder=life.folder,
            viewport=opening.viewport,
            user_agent=opening.user_agent,
            headers=opening.headers,
            proxy=opening.proxy,
            record=opening.record,
        )
        began = time.monotonic()
        async with asyncio.timeout(self._limits.start_s):
            life.browser = browser = await self._browsers.start(wanted)
        self._gate.started(life.session)
        opened = _opened(browser, began)
        state = await self._book.tell(life.session, lambda state: _running(state, opened))
        self._tell_others(state, browser)
        life.up.set_result(browser)

    def _tell_others(self, state: Session, browser: Browser) -> None:
        try:
            for told in self.on_opened:
                told(state, browser)
        except Exception as error:  # noqa: BLE001 - what a hook cannot do is no part of the visit
            _log.error("browser.beginning_failed", session=state.id, exc_info=error)

    async def _let_in(self, life: Life) -> None:
        if life.entered is None:
            life.entered = self._gate.enter(life.session, PLACE)
        if not life.entered:
            waits = frozenset[Status]({"pending"})
            await self._book.move(life.session, "queued", "capacity", only_from=waits)
            await self._gate.turn(life.session)

    async def _stay(self, life: Life) -> End:
        """How the life of a browser that is up ended: by itself, or by a wish."""
        assert life.browser is not None
        ended = asyncio.create_task(life.browser.ended())
        first: set[asyncio.Future[Any]] = {ended, life.asked}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if life.asked.done():
                return life.asked.result()
            error = ended.exception()
            ending = Ending(reason="runtime_failed", detail=words_of(error)) if error else None
            ending = ending or ended.result()
            return End(ending.reason, ending.detail)
        finally:
            ended.cancel()

    # Down.

    async def _wind_down(self, life: Life, end: End) -> Session | None:
        """The browser is closed, and the log says so; None where it cannot any more."""
        browser = life.browser
        if browser is not None and end.reason in ("requested", "client_error"):
            await self._stopping(life, end)
        network = closed = None
        if browser is not None:
            # Before the browser is closed, while it still knows.
            closed, network = kept_traffic(browser)
            await self._close(life, browser)
        told = replace(
            closed or BrowserClosed(reason=end.reason), reason=end.reason, detail=end.detail
        )
        if not self.closing:
            await self._files.collect_last(life)
            if network is not None:
                told = replace(told, network=await self._files.keep_network(life, network))
        return await self._until_told(life, end, told)

    async def _stopping(self, life: Life, end: End) -> None:
        try:
            await self._book.move(
                life.session,
                "stopping",
                end.reason,
                end.detail,
                only_from=STOPS_FROM,
                who=end.who,
            )
        except EventStoreError as error:  # a step on the way that nobody has to see
            _log.warning("browser.not_told", session=life.session, error=str(error))

    async def _close(self, life: Life, browser: Browser) -> None:
        """No browser is left when this returns, or the runtime does not say so in time."""
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await browser.close()
        except (BrowserError, TimeoutError) as error:
            _log.error("browser.not_closed", session=life.session, error=repr(error))

    async def _until_told(self, life: Life, end: End, closed: BrowserClosed) -> Session | None:
        """The end stands in the log when this returns, however long the disk refuses it."""

        def facts_of(state: Session) -> tuple[Fact, ...]:
            if state.browser is None or not state.browser.open:
                wanted: tuple[Fact, ...] = ()
            else:
                wanted = (*life.untold, closed)
            return *wanted, *moved(state, end.status, end.reason, end.detail, ALIVE)

        while True:
            try:
                return await self._book.tell(life.session, facts_of, end.who)
            except (LogClosed, Rejection):
                return None  # the next start finds it as it is, or there is no such session
            except EventStoreError as error:
                if self.closing:
                    return None
                life.owes = error
                await asyncio.sleep(RETRY_S)

    async def _aftermath(self, life: Life, state: Session | None) -> None:
        """What others make of the visit, and then its folder is gone."""
        try:
            if state is not None and not self.closing:
                async with asyncio.timeout(self._limits.aftermath_s):
                    for told in self.on_closed:
                        await told(state, life.folder)
        except Exception as error:  # noqa: BLE001 - what a hook cannot do is no part of the visit
            _log.error("browser.aftermath_failed", session=life.session, exc_info=error)
        finally:
            async with life.files:
                await asyncio.to_thread(shutil.rmtree, life.folder, ignore_errors=True)


def _opened(browser: Browser, began: float) -> BrowserOpened:
    width, height = browser.viewport
    return BrowserOpened(
        version=browser.version,
        user_agent=browser.user_agent,
        viewport_width=width,
        viewport_height=height,
        open_ms=int((time.monotonic() - began) * 1000),
    )


def _running(state: Session, opened: BrowserOpened) -> tuple[Fact, ...]:
    return opened, *moved(state, "running", "requested", "", RUNS_FROM)


def _end_of_start(life: Life, error: BaseException) -> End:
    if not isinstance(error, BrowserError | Rejection | TimeoutError | EventStoreError):
        _log.error("browser.start_failed", session=life.session, exc_info=error)
    detail = error.detail if isinstance(error, Rejection) else words_of(error)
    told = error if isinstance(error, Rejection | EventStoreError) else None
    return End(reason_of(error), detail, error=told)
