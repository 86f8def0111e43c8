"""The state of a test run: which tests are out, which came back, and what they add up to.

A run has thousands of tests, so its state is updated in place; it is no row of the views but is
folded from the stream of its session when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec

from eventstore.codec import Fact
from eventstore.commit import START, Commit, Position
from projections.events.test_run import (
    ResultsReplaced,
    TestCompleted,
    TestsMarkedMalfunctioning,
    TestsSelected,
    TestStarted,
    TestTimedOut,
)

MS_US: Final = 1_000
# A test page says more than the four words of the API; what is none of them did not pass.
_SUBTESTS: Final = {
    "PASS": "passed",
    "TIMEOUT": "timed_out",
    "NOTRUN": "not_run",
    "NOT_RUN": "not_run",
}
_HARNESS: Final = {
    "OK": "passed",
    "ERROR": "failed",
    "TIMEOUT": "timed_out",
    "NOTRUN": "not_run",
}

Verdict = Literal["pass", "fail", "timeout"]


class Running(msgspec.Struct, frozen=True, gc=False):
    """A test that is out: since when, in microseconds, and how long it may take."""

    since: int
    timeout_ms: int | float

    @property
    def deadline(self) -> int:
        """When the service gives up on it."""
        return self.since + max(0, int(self.timeout_ms * MS_US))


class Done(msgspec.Struct, frozen=True, gc=False):
    """A test that has a result: the position of the commit that holds it, and how it went."""

    position: Position
    verdicts: tuple[Verdict, ...]


class Counts(msgspec.Struct, kw_only=True, gc=False):
    """Of one API: `total` and `complete` count tests, the others subtests."""

    total: int = 0
    complete: int = 0
    passed: int = 0
    failed: int = 0
    timed_out: int = 0
    not_run: int = 0


class Run(msgspec.Struct, kw_only=True):
    """A run as of `position`; changed in place by `evolve`.

    `completed` is in the order in which results came; `replaced` has the upload of an API that
    took the place of what its tests had reported until then, and `replaced_at` where that was.
    """

    position: Position = START
    selection: str | None = None
    total: int = 0
    running: dict[str, Running] = {}
    completed: dict[str, Done] = {}
    counts: dict[str, Counts] = {}
    replaced: dict[str, ResultsReplaced] = {}
    replaced_at: dict[str, Position] = {}
    malfunctioning: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """True if every selected test has a result."""
        return self.selection is not None and len(self.completed) >= self.total


def api_of(path: str) -> str:
    """The API that a test belongs to: the first segment of its path."""
    return path.lstrip("/").partition("/")[0]


def evolve(run: Run, fact: Fact, commit: Commit) -> Run:
    """The run after one more fact: the same object, changed."""
    run.position = commit.position
    step = _STEPS.get(type(fact))
    if step is not None:
        step(run, fact, commit)
    return run


def _selected(run: Run, fact: TestsSelected, _: Commit) -> None:
    run.selection = fact.sha256
    run.total = fact.count
    for api, total in fact.totals.items():
        _counts(run, api).total = total


def _started(run: Run, fact: TestStarted, commit: Commit) -> None:
    if fact.path not in run.completed:
        run.running[fact.path] = Running(commit.at, fact.timeout_ms)


def _completed(run: Run, fact: TestCompleted, commit: Commit) -> None:
    _done(run, fact.path, Done(commit.position, verdicts(fact)), outcomes(fact))


def _timed_out(run: Run, fact: TestTimedOut, commit: Commit) -> None:
    _done(run, fact.path, Done(commit.position, ("timeout", "fail")), ("timed_out",))


def _done(run: Run, path: str, done: Done, found: Iterable[str]) -> None:
    run.running.pop(path, None)
    if path in run.completed:
        return
    run.completed[path] = done
    api = api_of(path)
    counts = _counts(run, api)
    counts.complete += 1
    if api in run.replaced:
        counts.total += 1  # an upload counts what it holds, and this comes besides
    for name in found:
        setattr(counts, name, getattr(counts, name) + 1)


def outcomes(fact: TestCompleted) -> list[str]:
    """What to count: each subtest, or the test itself where none were told of."""
    if fact.subtests is None:
        return [_HARNESS[fact.status]]
    statuses = (subtest.get("status") for subtest in fact.subtests)
    return [
        _SUBTESTS.get(status, "failed") if isinstance(status, str) else "failed"
        for status in statuses
    ]


def verdicts(fact: TestCompleted) -> tuple[Verdict, ...]:
    """How a test went: what its harness says and, besides, whether any subtest did not pass."""
    passed = all(subtest.get("status") == "PASS" for subtest in fact.subtests or ())
    subtests: Verdict = "pass" if passed else "fail"
    match fact.status:
        case "TIMEOUT":
            return "timeout", subtests
        case "ERROR" if passed:
            return "fail", "pass"
        case _:
            return (subtests,)


def _marked(run: Run, fact: TestsMarkedMalfunctioning, _: Commit) -> None:
    run.malfunctioning = fact.paths


def _replaced(run: Run, fact: ResultsReplaced, commit: Commit) -> None:
    run.replaced[fact.api] = fact
    run.replaced_at[fact.api] = commit.position
    run.counts[fact.api] = Counts(
        total=fact.results,
        complete=fact.results,
        passed=fact.passed,
        failed=fact.failed,
        timed_out=fact.timed_out,
        not_run=fact.not_run,
    )


def _counts(run: Run, api: str) -> Counts:
    found = run.counts.get(api)
    if found is None:
        found = run.counts[api] = Counts()
    return found


_STEPS: Final[dict[type, Callable[[Run, Any, Commit], None]]] = {
    TestsSelected: _selected,
    TestStarted: _started,
    TestCompleted: _completed,
    TestTimedOut: _timed_out,
    TestsMarkedMalfunctioning: _marked,
    ResultsReplaced: _replaced,
}
