"""What becomes of wishes to a test run: several are decided in turn, and are one commit.

So fifty devices that ask at the same moment wait for the disk once. No wish is refused: one that
comes too late, or for a test that is not out, changes nothing and is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from eventstore.codec import Fact
from projections.events.artifact import ArtifactStored
from projections.events.session import SessionStatusChanged
from projections.events.status import Status
from projections.events.test_run import (
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestsSelected,
    TestStarted,
    TestStatus,
    TestTimedOut,
)
from projections.folds.run import Run, api_of
from projections.folds.session import Session
from sessions.domain.policy import WAITING
from sessions.domain.rejections import TransitionNotAllowed

SELECTION_NAME: Final = "tests.json"
SELECTION_TYPE: Final = "application/json"
HANDING_OUT: Final[frozenset[Status]] = frozenset({"running", "blocked"})


class HandOut(msgspec.Struct, frozen=True):
    """Give out the next test; the answer is a `Handout`."""


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """Take the result of a test; the answer is False if it is not out."""

    path: str
    status: TestStatus
    message: str | None = None
    subtests: tuple[dict[str, Any], ...] | None = None
    extra: dict[str, Any] = {}


class TimeOut(msgspec.Struct, frozen=True):
    """Give up on those of these tests whose time is over; the answer is how many that were."""

    paths: tuple[str, ...]


class MarkMalfunctioning(msgspec.Struct, frozen=True):
    """Replace the list of tests that are held to be broken; the answer is True if it changed."""

    paths: tuple[str, ...]


Wish = HandOut | Complete | TimeOut | MarkMalfunctioning


class Handout(msgspec.Struct, frozen=True):
    """The next test, or None where there is none to give in this `status` of the session."""

    status: Status
    path: str | None = None
    timeout_ms: int | float = 0


class Plan:
    """The selected tests in the order of execution, and where the first is that was not out yet."""

    def __init__(self, order: Sequence[str], timeout_of: Callable[[str], int | float]) -> None:
        self.order = order
        self.timeout_of = timeout_of
        self._first = 0

    def first(self, run: Run, taken: Mapping[str, object]) -> str | None:
        """The first test that is neither out nor done nor `taken`.

        What was out is never pending again, so each test is passed over once for all.
        """
        order = self.order
        while self._first < len(order) and _was_out(run, order[self._first]):
            self._first += 1
        for at in range(self._first, len(order)):
            if order[at] not in taken and not _was_out(run, order[at]):
                return order[at]
        return None

    def pending(self, run: Run) -> list[str]:
        """The tests that were not out yet, in order."""
        return [path for path in self.order[self._first :] if not _was_out(run, path)]


def _was_out(run: Run, path: str) -> bool:
    return path in run.running or path in run.completed


class Turn:
    """Wishes decided one after the other at one moment; `facts` is what they come to."""

    def __init__(self, session: Session, run: Run, plan: Plan, now: int) -> None:
        self.facts: list[Fact] = []
        self._session = session
        self._run = run
        self._plan = plan
        self._now = now
        self._status = session.status
        self._started: dict[str, int | float] = {}
        self._completed: set[str] = set()
        self._malfunctioning = run.malfunctioning

    def decide(self, wish: Wish) -> Any:
        """The answer to a wish, as its type says."""
        match wish:
            case HandOut():
                return self._hand_out()
            case Complete():
                return self._complete(wish)
            case TimeOut():
                return sum([self._time_out(path) for path in wish.paths])
            case MarkMalfunctioning():
                return self._mark(wish)

    def _hand_out(self) -> Handout:
        if self._status not in HANDING_OUT or self._run.selection is None:
            return Handout(self._status)
        path = self._plan.first(self._run, self._started)
        if path is None:
            return Handout(self._status)
        timeout_ms = self._plan.timeout_of(path)
        self._started[path] = timeout_ms
        self.facts.append(TestStarted(path=path, timeout_ms=timeout_ms))
        return Handout(self._status, path, timeout_ms)

    def _complete(self, wish: Complete) -> bool:
        path = self._meant(wish.path)
        if path is None:
            return False
        result = TestCompleted(
            path=path,
            status=wish.status,
            message=wish.message,
            subtests=wish.subtests,
            extra=wish.extra,
        )
        self._done(path, result)
        return True

    def _time_out(self, path: str) -> bool:
        running = self._run.running.get(path)
        if running is None or path in self._completed or running.deadline > self._now:
            return False
        self._done(path, TestTimedOut(path=path))
        return True

    def _meant(self, path: str) -> str | None:
        """The test that is out and reports as `path`; a page may not tell which variant it is."""
        if self._out(path):
            return path
        plain = unquote(path)  # as a browser spells it
        known = (*self._run.running, *self._started)
        meant = (one for one in known if _file(one) == plain and self._out(one))
        return next(meant, None)

    def _out(self, path: str) -> bool:
        out = path in self._run.running or path in self._started
        return out and path not in self._completed

    def _done(self, path: str, result: Fact) -> None:
        self.facts.append(result)
        self._completed.add(path)
        whole = len(self._run.completed) + len(self._completed) >= self._run.total
        # One that was ended before its results came in stays as it is (section 2.2 of WAVE).
        if whole and not self._session.ended:
            self.facts.append(_finished(self._status))
            self._status = "completed"

    def _mark(self, wish: MarkMalfunctioning) -> bool:
        if wish.paths == self._malfunctioning:
            return False
        self._malfunctioning = wish.paths
        self.facts.append(TestsMarkedMalfunctioning(paths=wish.paths))
        return True


def _file(path: str) -> str:
    return path.partition("?")[0]


def begin(session: Session, run: Run, order: Sequence[str], sha256: str, size: int) -> list[Fact]:
    """What a start comes to, of a session that has not begun or did so without its tests.

    A run without tests is over at once. Raises TransitionNotAllowed.
    """
    starting = session.status in WAITING
    if run.selection is not None or not (starting or session.status in HANDING_OUT):
        raise TransitionNotAllowed(session.status, "running")
    stored = ArtifactStored(
        name=SELECTION_NAME, sha256=sha256, size=size, media_type=SELECTION_TYPE
    )
    totals = totals_of(order)
    facts: list[Fact] = [stored, TestsSelected(sha256=sha256, count=len(order), totals=totals)]
    status = session.status
    if starting:
        facts.append(SessionStatusChanged(was=status, to="running", reason="requested"))
        status = "running"
    if not order:
        facts.append(_finished(status))
    return facts


def totals_of(paths: Iterable[str]) -> dict[str, int]:
    """How many tests each API has."""
    totals: dict[str, int] = {}
    for path in paths:
        api = api_of(path)
        totals[api] = totals.get(api, 0) + 1
    return totals


def _finished(was: Status) -> SessionStatusChanged:
    return SessionStatusChanged(was=was, to="completed", reason="finished")
