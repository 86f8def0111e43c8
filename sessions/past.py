"""Any past state for a caller: the same rules as in the present, and not too many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from eventstore.commit import START, Position
from eventstore.errors import LogBusy
from eventstore.ports import EventLog
from projections.folds import session as session_fold
from projections.folds import vm as vm_fold
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.history import History
from projections.subjects import SESSION, VM, Subject
from projections.views.lists import SessionFilter, VmFilter
from projections.views.matching import session_matches, vm_matches
from sessions.caller import Caller
from sessions.domain.rejections import Deleted, NotFound

FLEETS_AT_ONCE: Final = 2
FLEETS_WAITING_MAX: Final = 64
FLEET_WAIT_S: Final = 10.0


class Page(msgspec.Struct, frozen=True):
    """Which part of a list: up to `limit` that were created before a position."""

    before: int | None
    limit: int


class Past:
    """What was, as of a position that the log has."""

    def __init__(self, log: EventLog, history: History) -> None:
        self._log = log
        self._history = history
        self._turns = asyncio.Semaphore(FLEETS_AT_ONCE)
        self._waiting = 0

    @property
    def head(self) -> Position:
        """The last position there is."""
        return self._log.size

    async def position_at(self, at_us: int) -> Position:
        """The last position at or before a time; START where the log begins later."""
        return START if self._log.size == START else await self._log.position_at(at_us)

    async def session(self, session_id: str, position: Position, who: Caller) -> Session:
        """A session as of a position; raises NotFound, or Deleted if it was by then."""
        state: Session | None = await self._history.state(
            session_fold.PREFIX + session_id, position
        )
        if state is None or not who.sees(state.tenant):
            raise NotFound("There was no such session.")
        if state.deleted:
            raise Deleted("The session was deleted by then.")
        return state

    async def vm(self, vm_id: str, position: Position, who: Caller) -> Vm:
        """A machine as of a position; raises NotFound."""
        state: Vm | None = await self._history.state(vm_fold.PREFIX + vm_id, position)
        if state is None or not who.sees(state.tenant):
            raise NotFound("There was no such machine.")
        return state

    async def sessions(
        self, position: Position, wanted: SessionFilter, page: Page
    ) -> list[Session]:
        """The sessions that a list with this filter would have shown, newest first."""
        return await self._select(position, SESSION, lambda one: session_matches(wanted, one), page)

    async def vms(self, position: Position, wanted: VmFilter, page: Page) -> list[Vm]:
        """The machines that a list with this filter would have shown, newest first."""
        return await self._select(position, VM, lambda one: vm_matches(wanted, one), page)

    async def _select(
        self, position: Position, subject: Subject, matches: Callable[[Any], bool], page: Page
    ) -> list[Any]:
        async with self._turn():
            return await self._history.select(
                position, subject, matches, before=page.before, limit=page.limit
            )

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the few at once; raises LogBusy where too many wait, or for too long."""
        if self._waiting >= FLEETS_WAITING_MAX:
            raise LogBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(FLEET_WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise LogBusy from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
