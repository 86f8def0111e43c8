"""Which session a worker gets: the oldest that it is fit for, or the next one that comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from projections.events.status import Kind
from projections.folds.session import Session
from sessions.domain.rejections import LimitReached
from sessions.domain.waiting import Waiting, Window, first_of

PAGE: Final = 200
WINDOWS_MAX: Final = 256
WORKERS_MAX: Final = 10_000

Read = Callable[[str | None, Kind, int, int], Awaitable[list[Waiting]]]
"""Up to so many that wait, of a tenant (None: of all) and a kind, created after a position."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker can do: sessions of this kind that need no other labels than these."""

    tenant: str | None
    kind: Kind
    labels: frozenset[str]

    def fits(self, session: Session) -> bool:
        """True if the session is one for this worker."""
        return (
            session.work is not None
            and session.kind == self.kind
            and self.tenant in (None, session.tenant)
            and self.labels.issuperset(session.work.requires)
        )


class Place:
    """A worker in the queue, from the moment when it asks."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._asleep = False
        self._woken = asyncio.Event()

    def wake(self) -> bool:
        """A session has come; True if the worker slept until now."""
        slept = self._asleep and not self._woken.is_set()
        self._woken.set()
        return slept

    async def sleep(self, seconds: float) -> None:
        """Return when a session has come since the last sleep, or so much time has gone by."""
        self._asleep = True
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        finally:
            self._asleep = False
            self._woken.clear()


class _Known:
    """A window, and who may fill it."""

    def __init__(self) -> None:
        self.window = Window()
        self.filling = asyncio.Lock()


class WorkQueue:
    """The sessions that wait, read as far as somebody asks, and the workers that wait for them."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: OrderedDict[tuple[str | None, Kind], _Known] = OrderedDict()
        self._places: dict[Place, None] = {}
        self._taken: set[str] = set()
        self._closed = False

    @property
    def workers(self) -> int:
        """How many workers wait."""
        return len(self._places)

    @contextlib.contextmanager
    def place(self, wanted: Wanted) -> Iterator[Place]:
        """A place for a worker, first come, first served; raises LimitReached."""
        if len(self._places) >= WORKERS_MAX:
            raise LimitReached(f"{WORKERS_MAX} workers wait already; try again later.")
        place = Place(wanted)
        if self._closed:
            place.wake()
        self._places[place] = None
        try:
            yield place
        finally:
            del self._places[place]

    @property
    def closed(self) -> bool:
        """True when the service ends."""
        return self._closed

    def close(self) -> None:
        """Send the workers home."""
        self._closed = True
        for place in self._places:
            place.wake()

    def notice(self, session: Session) -> None:
        """A session is as it is now."""
        work = session.work
        if work is None:
            return
        windows = self._windows_of(session)
        if not session.waits_for_worker:
            for window in windows:
                window.remove(session.created)
            return
        one = Waiting(session.created, session.id, frozenset(work.requires))
        for window in windows:
            window.add(one)
        self.tell_next(session)

    def tell_next(self, session: Session) -> None:
        """Wake the first worker that sleeps and is fit for the session.

        Those before it are busy, and look again before they sleep.
        """
        for place in self._places:
            if place.wanted.fits(session) and place.wake():
                return

    def pass_on(self, place: Place) -> None:
        """The worker has left: whatever it was woken for is for the others."""
        for other in self._places:
            if other is not place and other.wanted.kind == place.wanted.kind:
                other.wake()

    @contextlib.contextmanager
    def taking(self, one: Waiting) -> Iterator[None]:
        """Nobody else tries to have this session meanwhile."""
        self._taken.add(one.id)
        try:
            yield
        finally:
            self._taken.discard(one.id)

    def forget(self, wanted: Wanted, one: Waiting) -> None:
        """The session does not wait, whatever the views said."""
        known = self._known.get((wanted.tenant, wanted.kind))
        if known is not None:
            known.window.remove(one.created)

    async def first(self, wanted: Wanted) -> Waiting | None:
        """The oldest session that the worker is fit for and nobody is about to take."""
        known = self._window(wanted)
        window = known.window
        while True:
            one = window.first(wanted.labels, self._taken)
            if one is not None or window.upto is None:
                return one
            if window.full:
                return await self._beyond(window.upto, wanted)
            await self._fill(known, wanted)

    async def _beyond(self, after: int, wanted: Wanted) -> Waiting | None:
        """The oldest behind a window that is full of what this worker is not fit for."""
        while True:
            page = await self._read(wanted.tenant, wanted.kind, after, PAGE)
            one = first_of(page, wanted.labels, self._taken)
            if one is not None or len(page) < PAGE:
                return one
            after = page[-1].created

    async def _fill(self, known: _Known, wanted: Wanted) -> None:
        window = known.window
        async with known.filling:
            after = window.upto
            if after is None or window.full:
                return  # somebody else did
            window.begin_reading()
            try:
                page = await self._read(wanted.tenant, wanted.kind, after, PAGE)
            except BaseException:
                window.break_off()
                raise
            window.read(page, last=len(page) < PAGE)

    def _window(self, wanted: Wanted) -> _Known:
        key = wanted.tenant, wanted.kind
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known()
            if len(self._known) > WINDOWS_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known

    def _windows_of(self, session: Session) -> list[Window]:
        keys = ((session.tenant, session.kind), (None, session.kind))
        return [self._known[key].window for key in keys if key in self._known]
