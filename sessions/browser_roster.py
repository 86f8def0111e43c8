"""Which browsers there are, one for a session: begun, waited for, and ended with their sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from msgspec.structs import replace

from projections.folds.session import Session
from sessions.browser_answers import Opening
from sessions.browser_book import BrowserBook
from sessions.browser_course import ALIVE, PLACE, Courses
from sessions.browser_files import Files
from sessions.browser_life import End, Life, Limits
from sessions.browser_opening import requested
from sessions.browser_recovery import Open, Recovery
from sessions.caller import SERVICE, Caller
from sessions.domain.commands import CreateSession
from sessions.domain.rejections import AlreadyEnded, LimitReached, NotFound
from sessions.gate import Gate
from sessions.runtimes.browser.port import BrowserFailed, Browsers, RuntimeUnavailable

CLOSE_S: Final = 1.2
STOPPED: Final = "The service was stopped."


class Roster:
    """The browsers that live, by session."""

    def __init__(
        self,
        book: BrowserBook,
        browsers: Browsers,
        gate: Gate,
        files: Files,
        open_sessions: Open,
        limits: Limits,
    ) -> None:
        self.lives: dict[str, Life] = {}
        """By session."""
        self._book = book
        self._browsers = browsers
        self._gate = gate
        self._files = files
        self._limits = limits
        self._courses = Courses(book, browsers, gate, files, limits)
        self._recovery = Recovery(book, browsers, files, open_sessions)
        self.on_opened = self._courses.on_opened
        self.on_closed = self._courses.on_closed
        self.on_erasure: list[Callable[[Session], Coroutine[Any, Any, None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Return where browsers can be had; raises RuntimeUnavailable or BrowserFailed."""
        self._check_open()
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._browsers.check()
        except TimeoutError:
            raise BrowserFailed("Whether there are browsers could not be told in time.") from None

    async def create(
        self, session_id: str, command: CreateSession, opening: Opening, who: Caller
    ) -> Session:
        """The new session, whose browser opens; raises before anything is written."""
        await self.check()
        self._gate.check(PLACE)
        # Who asked may leave: a session in the log has its browser all the same.
        return await asyncio.shield(self._create(session_id, command, opening, who))

    async def stop(self, session_id: str, end: End) -> Session:
        """The session once its browser is closed and it has ended; raises AlreadyEnded."""
        session = await self.session(session_id, end.who)
        life = self.lives.get(session.id)
        if life is None or life.over.done():
            if session.ended:
                raise AlreadyEnded(session.status)
            return await self._book.move(
                session.id, end.status, end.reason, end.detail, only_from=ALIVE, who=end.who
            )
        if session.ended:
            raise AlreadyEnded(session.status)
        life.ask(end)
        await life.ended()
        return await self._book.sessions.find(session.id, end.who)

    async def open(self) -> None:
        """Tell what became of the browsers of the service that ran before, and go on from there."""
        await self._recovery.sweep()
        if not await self._recovery.tried(self._begin_again):
            self._soon(self._recovery.again(self._begin_again))

    async def close(self) -> None:
        """End every browser within CLOSE_S; what was not told by then the next start tells."""
        self._courses.closing = True
        lives = list(self.lives.values())
        for life in lives:
            life.ask(End("service_restart", STOPPED))
        work = [life.task for life in lives if life.task is not None]
        work.append(asyncio.create_task(self._browsers.close()))
        await asyncio.wait(work, timeout=CLOSE_S)
        for task in (*self._tasks, *work):
            task.cancel()
        await asyncio.gather(*self._tasks, *work, return_exceptions=True)

    def notice(self, session: Session) -> None:
        """A session is as it is now: its browser follows."""
        if session.kind != "browser" or self._courses.closing:
            return
        if session.erased:
            for told in self.on_erasure:
                self._soon(told(session))
        life = self.lives.get(session.id)
        if life is None or life.leaving:
            return
        if session.ended or session.deleted:
            life.ask(End(session.reason, session.detail))
        elif session.status == "stopping":
            life.ask(End("requested" if session.reason != "client_error" else "client_error"))

    async def session(self, session_id: str, who: Caller) -> Session:
        """The session, which is one of browsers; raises NotFound or Deleted."""
        session = await self._book.sessions.get(session_id, who)
        if session.kind != "browser":
            raise NotFound("There is no such session.")
        return session

    async def life(self, session_id: str, who: Caller) -> Life:
        """The life whose browser answers, begun by this where there is none."""
        session = await self.session(session_id, who)
        if session.ended:
            raise AlreadyEnded(session.status)
        life = self.lives.get(session.id)
        if life is None:
            await self.check()
            # Somebody may have been faster while the check took its time.
            life = self.lives.get(session.id) or self._begin(session, who)
        if life.leaving:
            await life.ended()
            raise AlreadyEnded((await self._book.sessions.find(session.id, who)).status)
        done, _ = await asyncio.wait({life.up}, timeout=self._limits.wait_s)
        if not done:
            raise LimitReached(self._waits(session.id))
        life.up.result()
        return life

    def _waits(self, session_id: str) -> str:
        position = self._gate.position(session_id)
        if position is None:
            return "The browser is still starting; try again later."
        return f"The browser waits for room, as number {position} in the queue; try again later."

    async def _create(
        self, session_id: str, command: CreateSession, opening: Opening, who: Caller
    ) -> Session:
        wish = await requested(self._book, session_id, opening)
        life = self._new_life(session_id, opening, who)
        try:
            life.entered = self._gate.enter(session_id, PLACE)
            if life.entered:
                command = replace(command, status="pending")
            else:
                command = replace(command, status="queued", reason="capacity")
            session = await self._book.sessions.create_whole(session_id, command, (wish,), who)
        except BaseException as error:
            del self.lives[session_id]
            self._gate.left(session_id)
            life.leaving = True
            life.up.set_exception(BrowserFailed(f"The session could not be made: {error}"))
            raise
        self._live(life, session)
        return session

    def _begin(self, session: Session, who: Caller) -> Life:
        life = self._new_life(session.id, None, who)
        self._live(life, session)
        return life

    def _new_life(self, session_id: str, opening: Opening | None, who: Caller) -> Life:
        life = Life(session_id, self._files.folder_of(session_id), opening, who)
        self.lives[session_id] = life
        return life

    def _live(self, life: Life, session: Session) -> None:
        async def live() -> None:
            try:
                await self._courses.run(life, session)
            finally:
                del self.lives[session.id]

        life.task = asyncio.create_task(live(), name=f"browser {session.id}")

    def _begin_again(self, session: Session) -> None:
        if session.id not in self.lives:
            self._begin(session, SERVICE)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_open(self) -> None:
        if self._courses.closing:
            raise RuntimeUnavailable("The service stops; there are no new browsers.")
        if not self._recovery.done.is_set():
            raise RuntimeUnavailable("The browsers of before are not accounted for yet.")
