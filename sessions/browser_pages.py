"""What is done in browsers: one thing after the other, each of them told, whoever asks for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from projections.events.browser import (
    BrowserCookiesSet,
    BrowserObserved,
    BrowserPictured,
    BrowserScraped,
)
from sessions.browser_actions import acted_fact, asked_for
from sessions.browser_addresses import without_user
from sessions.browser_answers import Acted, Observed, Pictured, Read
from sessions.browser_book import BrowserBook, Piece, whole
from sessions.browser_files import Files
from sessions.browser_life import End, Life, Limits, failure_of
from sessions.browser_roster import Roster
from sessions.caller import Caller
from sessions.domain.rejections import AlreadyEnded
from sessions.runtimes.browser.port import (
    Action,
    Browser,
    BrowserFailed,
    Place,
    ScrapeWanted,
)
from sessions.usage import in_use

JPEG: Final = "image/jpeg"
TITLE_CHARS_MAX: Final = 300
DOMAINS_MAX: Final = 20
HUNG: Final = "The browser did not answer in time."
SETTLE_S: Final = 2.0


class Pages:
    """The pages of all browsers."""

    def __init__(
        self,
        book: BrowserBook,
        files: Files,
        roster: Roster,
        clock_us: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._book = book
        self._files = files
        self._roster = roster
        self._clock_us = clock_us
        self._limits = limits

    async def observe(
        self, session_id: str, who: Caller, actions_max: int, screenshot: bool, markdown: bool
    ) -> Observed:
        """What can be done on the page; the screenshot is an artifact."""
        async with self._turn(session_id, who) as (life, browser):
            began = self._clock_us()
            async with self._answers(life, self._limits.answer_s):
                seen = await browser.observe(
                    actions_max=actions_max, screenshot=screenshot, markdown=markdown
                )
            place, count = seen.place, len(seen.actions)

            def facts_of(sha256: str) -> tuple[BrowserObserved]:
                told = BrowserObserved(
                    url=without_user(place.url),
                    title=_title(place),
                    category=seen.category,
                    actions=count,
                    screenshot=sha256,
                )
                return (told,)

            piece = _picture(life, "observed", seen.screenshot)
            kept = await self._book.note_with(life, piece, facts_of, who)
            return Observed(
                observation=seen, screenshot=kept, started_at=began, ended_at=self._clock_us()
            )

    async def act(self, session_id: str, action: Action, who: Caller) -> Acted:
        """Do something, and keep what it downloaded."""
        async with self._turn(session_id, who) as (life, browser):
            began = self._clock_us()
            sealed = await asked_for(self._book, session_id, action)
            within_s = (action.timeout_ms + action.time_ms) / 1000 + self._limits.answer_s
            async with self._answers(life, within_s):
                done = await browser.act(action)
            ended = self._clock_us()
            files = await self._files.collect(life, who)
            hashes = tuple(file.sha256 for file in files)
            told = acted_fact(action, sealed, done, (ended - began) // 1000, hashes)
            await self._book.note(life, (told,), who)
            return Acted(done=done, files=files, started_at=began, ended_at=ended)

    async def scrape(self, session_id: str, wanted: ScrapeWanted, who: Caller) -> Read:
        """Read the page."""
        async with self._turn(session_id, who) as (life, browser):
            began = self._clock_us()
            async with self._answers(life, self._limits.answer_s):
                read = await browser.scrape(wanted)
            told = BrowserScraped(
                url=without_user(read.place.url),
                title=_title(read.place),
                chars=len(read.markdown),
                images=len(read.images),
            )
            await self._book.note(life, (told,), who)
            return Read(scraped=read, started_at=began, ended_at=self._clock_us())

    async def screenshot(self, session_id: str, who: Caller, full_page: bool) -> Pictured:
        """A picture of the page, which is an artifact."""
        async with self._turn(session_id, who) as (life, browser):
            began = self._clock_us()
            async with self._answers(life, self._limits.answer_s):
                jpeg = await browser.screenshot(full_page=full_page)
                url = without_user((await browser.place()).url)

            def facts_of(sha256: str) -> tuple[BrowserPictured]:
                return (BrowserPictured(url=url, screenshot=sha256, full_page=full_page),)

            piece = _picture(life, "screenshot", jpeg)
            kept = await self._book.note_with(life, piece, facts_of, who)
            return Pictured(jpeg=jpeg, screenshot=kept, started_at=began, ended_at=self._clock_us())

    async def place(self, session_id: str, who: Caller) -> Place:
        """Where the browser is; to ask is not to use it, and waits for nobody."""
        life = await self._roster.life(session_id, who)
        assert life.browser is not None
        async with self._answers(life, self._limits.answer_s):
            return await life.browser.place()

    async def cookies(self, session_id: str, who: Caller) -> list[dict[str, Any]]:
        """All cookies of the session."""
        answer_s = self._limits.answer_s
        async with self._turn(session_id, who) as (life, browser), self._answers(life, answer_s):
            return await browser.cookies()

    async def set_cookies(
        self, session_id: str, cookies: list[dict[str, Any]], who: Caller
    ) -> None:
        """Add or replace cookies; the log has them sealed."""
        async with self._turn(session_id, who) as (life, browser):
            sealed = await self._book.seal(session_id, cookies)
            async with self._answers(life, self._limits.answer_s):
                await browser.set_cookies(cookies)
            domains = sorted({str(cookie.get("domain") or "") for cookie in cookies} - {""})
            told = BrowserCookiesSet(
                count=len(cookies), domains=tuple(domains[:DOMAINS_MAX]), sealed=sealed
            )
            await self._book.note(life, (told,), who)

    @contextlib.asynccontextmanager
    async def _turn(self, session_id: str, who: Caller) -> AsyncIterator[tuple[Life, Browser]]:
        """The browser for one caller alone; the session counts as used meanwhile."""
        await self._roster.session(session_id, who)
        async with in_use(self._book.sessions, session_id, who):
            life = await self._roster.life(session_id, who)
            async with life.turn(self._limits.calls):
                if life.leaving or life.browser is None:
                    await self._gone(life)
                assert life.browser is not None
                yield life, life.browser

    @contextlib.asynccontextmanager
    async def _answers(self, life: Life, within_s: float) -> AsyncIterator[None]:
        """Ends a browser that does not answer in time; says of one that ended how it did."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(within_s) as limit:

                def cut(_: asyncio.Future[End]) -> None:
                    if not limit.expired():
                        limit.reschedule(now())

                life.over.add_done_callback(cut)
                try:
                    yield
                finally:
                    life.over.remove_done_callback(cut)
        except TimeoutError:
            if life.over.done():
                await self._gone(life)
            life.ask(End("runtime_failed", HUNG))
            raise BrowserFailed(HUNG) from None
        except BrowserFailed:
            if life.leaving or life.asked.done():
                await self._gone(life)
            raise

    async def _gone(self, life: Life) -> None:
        """Raises what a call is told whose browser has ended, or is about to."""
        await asyncio.wait({life.over}, timeout=SETTLE_S)
        if life.over.done():
            raise failure_of(life.over.result())
        raise AlreadyEnded("stopping")


def _picture(life: Life, name: str, jpeg: bytes) -> Piece | None:
    if not jpeg:
        return None
    return Piece(f"{name}-{len(life.stored) + 1:04}.jpg", JPEG, whole(jpeg))


def _title(place: Place) -> str:
    return place.title[:TITLE_CHARS_MAX]
