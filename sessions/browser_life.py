"""What a browser of a session is while it lives: what may be waited for, and asked of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from eventstore.codec import Fact
from eventstore.errors import EventStoreError
from projections.events.status import Reason, Status
from sessions.browser_answers import Opening
from sessions.caller import SERVICE, Caller
from sessions.domain.rejections import AlreadyEnded, LimitReached
from sessions.runtimes.browser.port import (
    Browser,
    BrowserError,
    BrowserFailed,
    RuntimeUnavailable,
)

UNTOLD_MAX: Final = 200
LOOK_S: Final = 0.5
# What becomes of a session when its browser ends and nothing else ended it before.
STATUS_OF: Final[dict[Reason, Status]] = {
    "requested": "stopped",
    "finished": "completed",
    "deleted": "stopped",
    "service_restart": "lost",
    "idle_timeout": "timed_out",
    "max_duration": "timed_out",
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long each step may take, in seconds, and how many calls may wait for one browser.

    The runtime bounds what it does by itself; what goes beyond this has hung.
    """

    start_s: float = 60.0
    wait_s: float = 30.0
    answer_s: float = 60.0
    stop_s: float = 10.0
    files_s: float = 30.0
    aftermath_s: float = 120.0
    calls: int = 32


class End(msgspec.Struct, frozen=True):
    """Why a browser is to end or has ended, and who wanted it."""

    reason: Reason
    detail: str = ""
    who: Caller = SERVICE
    error: Exception | None = None
    """What those are told who waited for the browser; None: that it ended."""

    @property
    def status(self) -> Status:
        """What becomes of the session."""
        return STATUS_OF.get(self.reason, "failed")


class Life:
    """The browser of a session: wanted, then up, then told to be over."""

    def __init__(self, session: str, folder: Path, opening: Opening | None, who: Caller) -> None:
        loop = asyncio.get_running_loop()
        self.session = session
        self.folder = folder
        self.opening = opening
        """None: as the session's own facts and words say."""
        self.who = who
        self.entered: bool | None = None
        """True if there is room for it, False if it waits; None if nobody asked yet."""
        self.browser: Browser | None = None
        self.up: asyncio.Future[Browser] = loop.create_future()
        self.asked: asyncio.Future[End] = loop.create_future()
        self.over: asyncio.Future[End] = loop.create_future()
        """Done when the log says that the browser is closed."""
        self.leaving = False
        self.owes: EventStoreError | None = None
        """Why the end of the browser is not in the log yet."""
        self.untold: list[Fact] = []
        """What the disk refused, to be told with what comes next."""
        self.stored: set[str] = set()
        """The hashes of the artifacts that it brought."""
        self.left_out: set[Path] = set()
        """The downloads that could not be kept."""
        self.task: asyncio.Task[None] | None = None
        self.files = asyncio.Lock()
        """Held by whoever changes what lies in the folder."""
        self._turn = asyncio.Lock()
        self._calls = 0
        self.up.add_done_callback(lambda done: done.cancelled() or done.exception())

    def ask(self, end: End) -> None:
        """Ask for the end of the browser; the first one who does gives the reason."""
        if not self.asked.done():
            self.asked.set_result(end)

    def remember(self, facts: tuple[Fact, ...]) -> None:
        """Keep what the disk refused; a bounded number of facts."""
        self.untold = [*self.untold, *facts][:UNTOLD_MAX]

    @contextlib.asynccontextmanager
    async def turn(self, calls_max: int) -> AsyncIterator[None]:
        """One after the other, in the order of arrival; raises LimitReached if too many wait."""
        if self._calls > calls_max:
            raise LimitReached(f"{calls_max} calls wait for this browser; try again later.")
        self._calls += 1
        try:
            async with self._turn:
                yield
        finally:
            self._calls -= 1

    async def ended(self) -> None:
        """Return when the end is in the log; raises why it cannot be."""
        while not self.over.done():
            if self.owes is not None:
                raise self.owes
            await asyncio.wait({self.over}, timeout=LOOK_S)


def failure_of(end: End) -> Exception:
    """What a call is told whose browser came to this end."""
    if end.error is not None:
        return end.error
    if end.reason == "runtime_unavailable":
        return RuntimeUnavailable(end.detail)
    if end.reason in ("runtime_failed", "runtime_lost"):
        return BrowserFailed(end.detail or f"The browser ended: {end.reason}.")
    return AlreadyEnded(end.status)


def reason_of(error: BaseException) -> Reason:
    """Why there is no browser, where this stood in the way."""
    match error:
        case RuntimeUnavailable():
            return "runtime_unavailable"
        case LimitReached():
            return "capacity"
        case _:
            return "runtime_failed"


def words_of(error: BaseException) -> str:
    """What `error` says to a person."""
    if isinstance(error, TimeoutError):
        return "The browser did not start in time."
    if isinstance(error, BrowserError | EventStoreError):
        return str(error) or type(error).__name__
    return "The service failed; its log says why."
