"""Films of visits: pictures are kept while a browser lives, and become a film when it is closed.

What a service that was killed has recorded, or for what the disk had no room, becomes a film at the
next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from eventstore.errors import ArtifactTooLarge, EventStoreError
from projections.events.browser import BrowserRecorded
from projections.folds.session import Session
from sessions.artifacts import in_thread
from sessions.browser_reel import Reel
from sessions.domain.rejections import Rejection
from sessions.runtimes.browser.port import Browser, BrowserError, Browsers, Frame
from sessions.runtimes.in_thread import to_its_end

MEDIA_TYPE: Final = "video/mp4"
FOLDER: Final = "recordings"
_FILM: Final = "film.mp4"
_ATTEMPTS: Final = 3
_RETRY_S: Final = 2.0
_LAST_S: Final = 2.0

Find = Callable[[str], Awaitable[Session]]
"""The session with this id; raises NotFound."""
Keep = Callable[[Session, BrowserRecorded, AsyncIterable[bytes]], Awaitable[Session]]
"""Gives the film to the session; raises Rejection or EventStoreError."""

_log = structlog.get_logger()


class Recordings:
    """One film for each session whose browser showed anything; they are made one at a time."""

    def __init__(
        self,
        folder: Path,
        browsers: Browsers,
        find: Find,
        keep: Keep,
        clock_us: Callable[[], int],
    ) -> None:
        """`folder` belongs to recordings alone."""
        self._folder = folder
        self._browsers = browsers
        self._find = find
        self._keep = keep
        self._clock_us = clock_us
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, int | None] = {}
        """When the visit was over, by session, the longest first; None where nobody knows."""
        self._wanted = asyncio.Event()
        self._maker: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Make films from now on, first of what was left; never raises."""
        for name in await asyncio.to_thread(_left, self._folder):
            self._waiting.setdefault(name, None)
        self._wanted.set()
        self._maker = asyncio.create_task(self._make_all())

    def pending(self, session_id: str) -> bool:
        """True while there may still be a film of the session."""
        return session_id in self._taking or session_id in self._waiting

    def begin(self, session: Session, browser: Browser) -> None:
        """Record what the browser shows, until its end; not where nobody wants it."""
        wanted = session.browser is None or session.browser.record
        if wanted and session.id not in self._taking and not self._closed:
            task = asyncio.create_task(self._take(session.id, browser))
            self._taking[session.id] = task

    async def finish(self, session_id: str) -> None:
        """The browser is closed: its film will be made. Returns at once."""
        task = self._taking.get(session_id)
        if task is not None:
            # Marked first: in no moment is the film neither being recorded nor to be made.
            self._waiting[session_id] = self._clock_us()
            try:
                # What the browser has shown last is still on its way to the disk.
                await asyncio.wait({task}, timeout=_LAST_S)
                await _ended(task)
            finally:
                self._taking.pop(session_id, None)
                self._wanted.set()

    async def forget(self, session_id: str) -> None:
        """The session is erased: what was recorded of it is gone, and no film will be."""
        task = self._taking.pop(session_id, None)
        self._waiting.pop(session_id, None)
        if task is not None:
            await _ended(task)
        await to_its_end(self._reel(session_id).remove)

    async def close(self) -> None:
        """Stop; what is not filmed by now the next start will film."""
        self._closed = True
        tasks = [*self._taking.values(), *filter(None, [self._maker])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._taking.clear()

    def _reel(self, session_id: str) -> Reel:
        return Reel(self._folder / session_id)

    async def _take(self, session_id: str, browser: Browser) -> None:
        reel: Reel | None = None
        try:
            # Asked for first: before anybody has the browser, its pictures have a reader.
            async for frame in browser.frames():
                if reel is None:
                    reel = await asyncio.to_thread(self._reel, session_id)
                await to_its_end(_adding(reel, frame))
        except OSError as error:
            # A visit goes on without its film; what there is of it is kept.
            _log.warning("recording.stopped", session=session_id, error=str(error))

    async def _make_all(self) -> None:
        while True:
            self._wanted.clear()
            for session_id in list(self._waiting):
                if session_id not in self._taking:
                    await self._make(session_id)
            await self._wanted.wait()

    async def _make(self, session_id: str) -> None:
        disk_refused = False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._film(session_id)
                disk_refused = False
                break
            except (Rejection, ArtifactTooLarge) as error:
                _log.warning("recording.refused", session=session_id, error=str(error))
                break
            except (BrowserError, EventStoreError, OSError) as error:
                disk_refused = not isinstance(error, BrowserError)
                _log.warning(
                    "recording.failed", session=session_id, attempt=attempt, error=str(error)
                )
            if attempt < _ATTEMPTS:
                await asyncio.sleep(_RETRY_S)
        self._waiting.pop(session_id, None)
        if not disk_refused:
            # Also what cannot be filmed: it would be in the way for ever.
            await to_its_end(self._reel(session_id).remove)

    async def _film(self, session_id: str) -> None:
        until = self._waiting.get(session_id)
        reel = await asyncio.to_thread(self._reel, session_id)
        pictures = reel.pictures(until)
        if not pictures:
            return
        session = await self._find(session_id)
        path = reel.folder / _FILM
        await to_its_end(lambda: path.unlink(missing_ok=True))
        await self._browsers.film(pictures, path)
        if session_id not in self._waiting:
            return  # forgotten meanwhile
        told = BrowserRecorded(
            sha256="",
            size=0,
            media_type=MEDIA_TYPE,
            frames=len(pictures),
            duration_ms=sum(picture.shown_ms for picture in pictures),
        )
        with path.open("rb") as file:
            await self._keep(session, told, in_thread(file))


def _adding(reel: Reel, frame: Frame) -> Callable[[], None]:
    return lambda: reel.add(frame)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _left(folder: Path) -> list[str]:
    """The sessions of which pictures were left, the oldest first."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.name for path in folder.iterdir())
    return []
