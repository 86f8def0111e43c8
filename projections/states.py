"""Folding commits into states: the hot ones in memory, the others brought back from their rows.

A commit for a stream whose state is not at hand waits in the stream's tail until `settle` has
fetched the state. So `apply` never waits, and may be called while the log answers its appenders.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from eventstore.commit import START, Commit, Position
from projections.marks import CHOSEN, changed_marks
from projections.subjects import SESSION, SUBJECTS, Subject, fold, subject_of
from projections.views.store import MarkRows

HOT_MAX: Final = 50_000

Fetch = Callable[[Subject, list[str]], Awaitable[list[Any]]]
"""The rows of a subject with these ids, as states."""
Rows = dict[str, list[tuple[object, ...]]]
Changed = Callable[[Any], None]
"""Told of each new state of one type, at the moment of its commit."""


class Changes(NamedTuple):
    """Rows by the prefix of their subject, and what the views know once they are written."""

    rows: Rows
    marks: MarkRows
    position: Position | None


class States:
    """Current states by stream; `position` is that of the last commit applied."""

    def __init__(self, fetch: Fetch, position: Position = START, hot_max: int = HOT_MAX) -> None:
        self.position = position
        self._fetch = fetch
        self._hot_max = hot_max
        self._hot: dict[str, Any] = {}
        self._tails: dict[str, list[Commit]] = {}
        self._dirty: dict[str, int] = {}  # stream -> which of its marks changed, a bit for each
        self._bringing: Counter[str] = Counter()
        self._in_flight: dict[str, int] = {}
        self.on_change: dict[type, Changed] = {}

    def apply(self, commits: Iterable[Commit]) -> None:
        """Fold commits in, in the order of the log."""
        for commit in commits:
            self.position = commit.position
            stream = commit.stream
            subject = subject_of(stream)
            if subject is None:
                continue
            state = self._hot.get(stream)
            if (state is None and commit.previous != START) or stream in self._tails:
                self._tails.setdefault(stream, []).append(commit)
            else:
                self._advance(subject, state, commit)

    def _advance(self, subject: Subject, state: Any, commit: Commit) -> None:
        after = fold(subject, state, commit)
        if after is None:
            return
        stream = commit.stream
        marked = 0
        # Nearly no fact touches either field: for the rest a rebuild saves the call.
        if subject is SESSION and (
            state is None or state.labels is not after.labels or state.spec is not after.spec
        ):
            marked = changed_marks(state, after)
        self._hot[stream] = after
        if marked or stream not in self._dirty:
            self._dirty[stream] = self._dirty.get(stream, 0) | marked
        if self.on_change:
            self._tell(after)

    def _tell(self, state: Any) -> None:
        changed = self.on_change.get(type(state))
        if changed is not None:
            changed(state)

    def at_hand(self, stream: str) -> Any:
        """The state of a stream if it is in memory and complete, else None."""
        return None if stream in self._tails else self._hot.get(stream)

    async def get(self, stream: str) -> Any:
        """The state of a stream, None if it does not exist."""
        state = self.at_hand(stream)
        if state is None:
            await self._bring([stream])
            state = self.at_hand(stream)
        return state

    async def settle(self) -> None:
        """Fetch the states that tails wait for, and fold the tails in."""
        while self._tails:
            await self._bring(list(self._tails))

    async def _bring(self, streams: Sequence[str]) -> None:
        by_subject: dict[str, list[str]] = {}
        for stream in streams:
            subject = subject_of(stream)
            if subject is not None:
                by_subject.setdefault(subject.prefix, []).append(stream)
        for prefix, members in by_subject.items():
            subject = SUBJECTS[prefix]
            ids = [stream.removeprefix(prefix) for stream in members]
            self._bringing.update(members)  # what is fetched now must not be evicted meanwhile
            try:
                found = {state.id: state for state in await self._fetch(subject, ids)}
            finally:
                self._bringing.subtract(members)
                self._bringing += Counter()
            for stream, id_ in zip(members, ids, strict=True):
                self._join(subject, stream, found.get(id_))
        self._evict()

    def _join(self, subject: Subject, stream: str, state: Any) -> None:
        tail = self._tails.pop(stream, ())
        # What came meanwhile is in memory and newer than the row.
        state = self._hot.get(stream, state)
        if state is not None:
            self._hot.setdefault(stream, state)
        for commit in tail:
            if state is None or commit.position > state.position:
                self._advance(subject, state, commit)
                state = self._hot.get(stream)

    def take(self, limit: int) -> Changes:
        """Up to `limit` changed states as rows; call `settle` first.

        Where more than `limit` changed, the rows are newer than the checkpoint may say: `position`
        is None. That does no harm, for commits that a row knows already are not folded in again.
        """
        streams = dict(itertools.islice(self._dirty.items(), limit))
        rows: Rows = {}
        marks: MarkRows = {}
        for stream, marked in streams.items():
            del self._dirty[stream]
            subject = subject_of(stream)
            assert subject is not None
            state = self._hot[stream]
            rows.setdefault(subject.prefix, []).append(subject.row(state))
            for one in CHOSEN[marked]:
                marks.setdefault(one.table, {})[state.created] = one.rows(state)
        self._in_flight = streams
        position = None if self._dirty or self._tails else self.position
        return Changes(rows, marks, position)

    def written(self) -> None:
        """The rows taken last stand in the file now."""
        self._in_flight = {}
        self._evict()

    def put_back(self) -> None:
        """The rows taken last could not be written: their states count as changed again."""
        for stream, marked in self._in_flight.items():
            self._dirty[stream] = marked | self._dirty.get(stream, 0)
        self._in_flight = {}

    def _evict(self) -> None:
        """Forget the oldest states whose rows are written; in bulk, as a dict is slow at it."""
        if len(self._hot) <= self._hot_max + self._hot_max // 10:
            return
        needed = self._dirty.keys() | self._in_flight.keys() | self._bringing.keys()
        clean = (stream for stream in self._hot if stream not in needed)
        for stream in list(itertools.islice(clean, len(self._hot) - self._hot_max)):
            del self._hot[stream]

    def held(self) -> Iterable[Any]:
        """The states in memory: all that changed, as long as none were taken."""
        return self._hot.values()

    @property
    def changed(self) -> int:
        """How many states have changed since they were taken."""
        return len(self._dirty)

    @property
    def waiting(self) -> int:
        """How many streams wait for `settle`."""
        return len(self._tails)
