"""Browsers for sessions: whoever wants one of a session asks here, and nobody else makes any.

What becomes of one is in `browser_course.py`, what is done in it in `browser_pages.py`, its files
in `browser_files.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from projections.events.browser import BrowserRecorded
from projections.events.status import Reason
from projections.folds.session import Session
from sessions.browser_answers import (
    Acted,
    Now,
    Observed,
    Opening,
    Pictured,
    Read,
    SessionFile,
    Step,
)
from sessions.browser_book import BrowserBook, Kept, Piece
from sessions.browser_debugging import Debugged
from sessions.browser_files import Files
from sessions.browser_life import End, Limits
from sessions.browser_network import cleaned
from sessions.browser_pages import Pages
from sessions.browser_recovery import Open
from sessions.browser_roster import Roster
from sessions.browser_steps import steps_of
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import CreateSession
from sessions.domain.rejections import AlreadyEnded
from sessions.gate import Gate
from sessions.runtimes.browser.port import (
    Action,
    Browser,
    Browsers,
    Exchange,
    Place,
    ScrapeWanted,
)

ACTIONS_MAX: Final = 100
CLOSE_S: Final = 1.2
FILM: Final = "film.mp4"
LIMITS: Final = Limits()
STOPPED: Final = "The service was stopped."


class BrowserSessions:
    """The browsers of all sessions; `on_opened` and `on_closed` are told of what becomes of them.

    Every method with a caller raises NotFound or Deleted for a session that the caller has not, or
    that is none of browsers. What is done in a browser waits up to 30 seconds for it, makes it
    where nobody has yet, and raises AlreadyEnded, LimitReached (it still waits for room, or too
    many wait for this one browser), RuntimeUnavailable, BrowserFailed, and PageRefused.
    """

    def __init__(
        self,
        book: BrowserBook,
        browsers: Browsers,
        gate: Gate,
        folder: Path,
        open_sessions: Open,
        clock_us: Callable[[], int],
        limits: Limits = LIMITS,
    ) -> None:
        self._book = book
        self._gate = gate
        self._clock_us = clock_us
        self._files = Files(book, folder, limits)
        self._roster = Roster(book, browsers, gate, self._files, open_sessions, limits)
        self._pages = Pages(book, self._files, self._roster, clock_us, limits)
        self.on_opened = self._roster.on_opened
        """Told of each browser that answers now, and its session."""
        self.on_closed = self._roster.on_closed
        """Awaited, bounded, with each ended session and its folder, once its browser is closed."""
        self.on_erasure = self._roster.on_erasure
        """Begun with each session that was erased."""

    # What is there.

    async def check(self) -> None:
        """Return where browsers can be had; raises RuntimeUnavailable."""
        await self._roster.check()

    def now(self, session_id: str) -> Now:
        """What is known of the browser of a session at this moment; for any session."""
        life = self._roster.lives.get(session_id)
        browser = None if life is None or life.leaving else life.browser
        answers = life is not None and browser is not None and life.up.done()
        sent, received = (0, 0) if browser is None else browser.traffic
        return Now(
            queued=self._gate.position(session_id),
            answers=answers,
            request_bytes=sent,
            response_bytes=received,
        )

    async def living(self, session_id: str, who: Caller) -> Browser:
        """The browser once it answers; raises as the class says."""
        life = await self._roster.life(session_id, who)
        assert life.browser is not None
        return life.browser

    # Beginning and ending.

    async def create(
        self, session_id: str, command: CreateSession, opening: Opening, who: Caller
    ) -> Session:
        """The new session, whose browser opens in the background.

        Headers and proxy of `opening` are sealed here: they must not stand in `command.spec`.
        Raises RuntimeUnavailable and LimitReached before anything is written.
        """
        return await self._roster.create(session_id, command, opening, who)

    async def stop(
        self, session_id: str, who: Caller, reason: Reason = "requested", detail: str = ""
    ) -> Session:
        """The session once its browser is closed and it has ended; raises AlreadyEnded.

        It is `stopped`, with the reason `client_error` `failed`. Who comes while another one stops
        it gets the same answer.
        """
        return await self._roster.stop(session_id, End(reason, detail, who))

    # What is done in it, one after the other.

    async def observe(
        self,
        session_id: str,
        who: Caller,
        *,
        actions_max: int = ACTIONS_MAX,
        screenshot: bool = True,
        markdown: bool = False,
    ) -> Observed:
        """What can be done on the page; the screenshot is kept as an artifact."""
        return await self._pages.observe(session_id, who, actions_max, screenshot, markdown)

    async def act(self, session_id: str, action: Action, who: Caller) -> Acted:
        """Do something; a failure of the page is a result. What was downloaded is kept."""
        return await self._pages.act(session_id, action, who)

    async def scrape(self, session_id: str, wanted: ScrapeWanted, who: Caller) -> Read:
        """Read the page."""
        return await self._pages.scrape(session_id, wanted, who)

    async def screenshot(
        self, session_id: str, who: Caller, *, full_page: bool = False
    ) -> Pictured:
        """A picture of the page, kept as an artifact."""
        return await self._pages.screenshot(session_id, who, full_page)

    async def place(self, session_id: str, who: Caller) -> Place:
        """Where the browser is; to ask is not to use it."""
        return await self._pages.place(session_id, who)

    async def cookies(self, session_id: str, who: Caller) -> list[dict[str, Any]]:
        """All cookies of the session, in the words of Playwright."""
        return await self._pages.cookies(session_id, who)

    async def set_cookies(
        self, session_id: str, cookies: list[dict[str, Any]], who: Caller
    ) -> None:
        """Add or replace cookies; they are sealed in the log."""
        await self._pages.set_cookies(session_id, cookies, who)

    # What is known of it, also when it has ended.

    async def exchanges(self, session_id: str, who: Caller) -> tuple[Exchange, ...]:
        """What the browser asked the network for, in order: of a living one, or as it was kept."""
        session = await self._roster.session(session_id, who)
        life = self._roster.lives.get(session.id)
        if life is not None and life.browser is not None and not life.over.done():
            return cleaned(life.browser.exchanges())
        return await self._files.network(session)

    async def steps(
        self, session_id: str, who: Caller, *, after: int = 0, limit: int = 1000
    ) -> list[Step]:
        """The steps of the visit behind a position, oldest first."""
        await self._roster.session(session_id, who)
        return await steps_of(self._book, session_id, who, after, limit)

    # Files.

    async def upload(
        self, session_id: str, name: str, media_type: str, data: AsyncIterable[bytes], who: Caller
    ) -> SessionFile:
        """A file that pages may take, see `file_of`; raises InvalidValue, ArtifactTooLarge."""
        session = await self._roster.session(session_id, who)
        if session.ended:
            raise AlreadyEnded(session.status)
        life = self._roster.lives.get(session.id)
        return await self._files.upload(session, life, name, media_type, data, who)

    async def files(self, session_id: str, who: Caller) -> tuple[SessionFile, ...]:
        """The files of a session, ended or not, newest first; read them with ARTIFACTS by hash."""
        session = await self._roster.session(session_id, who)
        life = self._roster.lives.get(session.id)
        if life is not None and not life.leaving and life.browser is not None:
            await self._files.collect(life, who)
            session = await self._roster.session(session_id, who)
        return () if session.browser is None else session.browser.files[::-1]

    async def file_of(self, session_id: str, name: str, who: Caller) -> Path:
        """Where an uploaded file lies, named by its id or name; raises NotFound."""
        return self._files.path_of(await self._roster.session(session_id, who), name)

    async def debugged(self, session_id: str, who: Caller) -> Debugged:
        """The browser, for somebody who steers it by its debugger."""
        return Debugged(self._book, await self._roster.life(session_id, who), self._clock_us, who)

    async def remove_file(self, session_id: str, file_id: str, who: Caller) -> None:
        """Take a file out of the list; raises NotFound."""
        await self._files.remove(await self._roster.session(session_id, who), file_id, who)

    async def keep_recording(
        self, session: Session, told: BrowserRecorded, data: AsyncIterable[bytes]
    ) -> Session:
        """Keep the film of a visit (hash and size are filled in); nothing for an erased session."""

        def facts_of(_: Session, kept: Kept) -> tuple[BrowserRecorded]:
            return (replace(told, sha256=kept.sha256, size=kept.size),)

        await self._book.keep(session.id, Piece(FILM, told.media_type, data), facts_of)
        return await self._book.sessions.find(session.id, SERVICE)

    # Opening, closing, and what happens meanwhile.

    async def open(self) -> None:
        """Tell what became of the browsers of the service that ran before, and go on from there."""
        await self._roster.open()

    async def close(self) -> None:
        """End every browser, quickly; what was not told by then the next start tells."""
        await self._roster.close()

    def notice(self, session: Session) -> None:
        """A session is as it is now: its browser follows. Told at the moment of each commit."""
        self._roster.notice(session)
