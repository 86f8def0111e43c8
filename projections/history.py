"""Any past state: the log folded up to a position, from the nearest snapshot where there is one.

The law: as of p = fold(log up to p), whatever snapshots there are. One stream needs its own commits
only. A fleet is all states at a snapshot with those laid over that changed between it and p; both
are read and folded in small pages, so that the loop stays free.
"""

from __future__ import annotations

import functools
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, Protocol

from eventstore.commit import START, Commit, Position
from projections.snapshots import SnapshotLost, Snapshots
from projections.states import States
from projections.subjects import Subject, fold, subject_of

STREAM_PAGE: Final = 1000
FLEET_PAGE: Final = 250
# About 2 KB each.
CACHED_STATES_MAX: Final = 20_000
CACHED_FLEETS_MAX: Final = 8
_NEVER: Final = (1 << 63) - 1

Progress = Callable[[Position, Position], None]
"""Called with how far the fold is and how far it has to go."""


def _silent(_: Position, __: Position) -> None:
    return


class PastLog(Protocol):
    """What is asked of a log to tell the past."""

    async def commits(self, after: Position = START, limit: int = 1000) -> list[Commit]:
        """Up to `limit` commits after `after`, in order."""
        ...

    async def stream_commits(
        self, stream: str, after: Position, until: Position, limit: int = 1000
    ) -> list[Commit]:
        """Up to `limit` commits of one stream after `after` up to and with `until`, in order."""
        ...


async def state_of(
    log: PastLog, stream: str, position: Position, state: Any = None, after: Position = START
) -> Any:
    """The state of a stream right after `position`, from what it was right after `after`."""
    subject = subject_of(stream)
    assert subject is not None
    while page := await log.stream_commits(stream, after, position, STREAM_PAGE):
        for commit in page:
            state = fold(subject, state, commit)
        after = page[-1].position
        if after == position:
            break
    return state


class TooFar(Exception):
    """Too many commits lie between the position and the nearest snapshot to be folded."""


class Fleet:
    """All states as of `position`; made by `History.fleet`."""

    def __init__(
        self, position: Position, snapshot: Position, changed: States, snapshots: Snapshots
    ) -> None:
        self.position = position
        self._snapshot = snapshot
        self._snapshots = snapshots
        self._changed: dict[type, list[Any]] = {}
        for state in changed.held():
            self._changed.setdefault(type(state), []).append(state)
        for states in self._changed.values():
            states.sort(key=_created, reverse=True)

    @property
    def size(self) -> int:
        """How many states are in memory."""
        return sum(map(len, self._changed.values()))

    async def newest(
        self, subject: Subject, before: int | None = None
    ) -> AsyncGenerator[list[Any], None]:
        """The states of a subject that were created before a position, last first, in pages."""
        low = _NEVER if before is None else before
        changed = [state for state in self._changed.get(subject.state, ()) if state.created < low]
        known = {state.created for state in changed}
        begin = 0
        while page := await self._snapshots.newest(subject, self._snapshot, low, FLEET_PAGE):
            low = page[-1].created
            end = begin
            while end < len(changed) and changed[end].created >= low:
                end += 1
            merged = [state for state in page if state.created not in known]
            merged += changed[begin:end]
            merged.sort(key=_created, reverse=True)
            begin = end
            yield merged
        for start in range(begin, len(changed), FLEET_PAGE):
            yield changed[start : start + FLEET_PAGE]

    async def select(
        self,
        subject: Subject,
        matches: Callable[[Any], bool],
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Up to `limit` states that match, last created first."""
        found: list[Any] = []
        async with aclosing(self.newest(subject, before)) as pages:
            async for page in pages:
                found += filter(matches, page)
                if limit is not None and len(found) >= limit:
                    return found[:limit]
        return found


class History:
    """The past of a log, with the help of its snapshots."""

    def __init__(self, log: PastLog, snapshots: Snapshots, *, fold_max: int | None = None) -> None:
        self._log = log
        self._snapshots = snapshots
        self._fold_max = fold_max
        self._fleets: OrderedDict[Position, Fleet] = OrderedDict()

    async def state(self, stream: str, position: Position) -> Any:
        """The state of a stream right after `position`, None if it did not exist yet."""
        subject = subject_of(stream)
        if subject is None:
            return None
        snapshot = self._snapshots.before(position)
        try:
            id_ = stream.removeprefix(subject.prefix)
            states = await self._snapshots.states(subject, [id_], snapshot)
        except (sqlite3.Error, SnapshotLost):
            return await state_of(self._log, stream, position)
        state = states[0] if states else None
        return await state_of(self._log, stream, position, state, snapshot)

    async def select(
        self,
        position: Position,
        subject: Subject,
        matches: Callable[[Any], bool],
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Any]:
        """Up to `limit` states as of `position` that match, last created first; raises TooFar."""
        try:
            fleet = await self.fleet(position)
            return await fleet.select(subject, matches, before=before, limit=limit)
        except (sqlite3.Error, SnapshotLost):
            self._fleets.pop(position, None)
            fleet = await self._fold(position, START, _silent)
            return await fleet.select(subject, matches, before=before, limit=limit)

    async def fleet(self, position: Position, progress: Progress = _silent) -> Fleet:
        """All states right after `position`; raises TooFar, SnapshotLost or sqlite3.Error."""
        known = self._fleets.get(position)
        if known is None:
            snapshot = self._snapshots.before(position)
            known = self._fleets[position] = await self._fold(position, snapshot, progress)
            self._forget()
        else:
            self._fleets.move_to_end(position)
        return known

    async def _fold(self, position: Position, snapshot: Position, progress: Progress) -> Fleet:
        if self._fold_max is not None and position - snapshot > self._fold_max:
            raise TooFar
        fetch = functools.partial(self._states_at, snapshot)
        states = States(fetch, snapshot, hot_max=position - snapshot)
        while states.position < position:
            limit = min(FLEET_PAGE, position - states.position)
            states.apply(await self._log.commits(states.position, limit))
            await states.settle()
            progress(Position(states.position - snapshot), Position(position - snapshot))
        return Fleet(position, snapshot, states, self._snapshots)

    async def _states_at(self, snapshot: Position, subject: Subject, ids: list[str]) -> list[Any]:
        return await self._snapshots.states(subject, ids, snapshot)

    def _forget(self) -> None:
        while (
            len(self._fleets) > CACHED_FLEETS_MAX
            or sum(kept.size for kept in self._fleets.values()) > CACHED_STATES_MAX
        ):
            self._fleets.popitem(last=False)


def _created(state: Any) -> int:
    created: int = state.created
    return created
