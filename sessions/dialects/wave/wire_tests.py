"""Shapes of the WAVE tests API: the next test, the tests of a session, the last that came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from projections.folds.run import Run, Verdict, api_of
from sessions.domain.turn import Plan
from sessions.failure import Failure, FieldError

COUNT: Final = 5
COUNT_MAX: Final = 10_000
MALFUNCTIONING_MAX: Final = 10_000
VERDICTS: Final[tuple[Verdict, ...]] = ("pass", "fail", "timeout")
_DIGITS_MAX: Final = 9


class NextTest(msgspec.Struct, frozen=True):
    """Where the device goes next: a test, or the page of a session that has none to give."""

    next_test: str


class TestsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of a session by API (section 1.3, with the key that its documents promise)."""

    token: str
    pending_tests: dict[str, list[str]]
    running_tests: dict[str, list[str]]
    completed_tests: dict[str, list[str]]


def tests_of(token: str, run: Run, plan: Plan) -> TestsOf:
    """What is still to run, what is out, and what has a result."""
    return TestsOf(
        token=token,
        pending_tests=_by_api(plan.pending(run)),
        running_tests=_by_api(run.running),
        completed_tests=_by_api(run.completed),
    )


def last_completed(
    run: Run, order: Sequence[str], wanted: Iterable[Verdict], count: int
) -> dict[Verdict, list[str]]:
    """The last `count` tests of each verdict in the order of execution (section 3.7)."""
    lists: dict[Verdict, list[str]] = {verdict: [] for verdict in wanted}
    missing = len(lists) if count else 0
    for path in reversed(order):
        if not missing:
            break
        done = run.completed.get(path)
        for verdict in done.verdicts if done is not None else ():
            found = lists.get(verdict)
            if found is not None and len(found) < count:
                found.append(path)
                missing -= len(found) == count
    return {verdict: paths[::-1] for verdict, paths in lists.items()}


def wanted_verdicts(status: str) -> list[Verdict]:
    """The lists that a comma list of `all`, `pass`, `fail` and `timeout` asks for; none is all."""
    words = {word.strip().lower() for word in status.split(",")} - {""}
    if not words or "all" in words:
        return list(VERDICTS)
    return [verdict for verdict in VERDICTS if verdict in words]


def wanted_count(count: str) -> int:
    """How many of each; raises Failure for what is no number."""
    if not count:
        return COUNT
    if not (count.isascii() and count.isdigit() and len(count) <= _DIGITS_MAX):
        field = FieldError(("query", "count"), "a whole number from 0 on")
        raise Failure(400, "invalid_query", "count: a whole number from 0 on", fields=(field,))
    return min(int(count), COUNT_MAX)


def malfunctioning(paths: Sequence[str] | None) -> tuple[str, ...] | None:
    """The list that a client sent, each path once; None where it sent none. Raises Failure."""
    if paths is None:
        return None
    kept = tuple(dict.fromkeys(paths))
    if len(kept) > MALFUNCTIONING_MAX:
        detail = f"At most {MALFUNCTIONING_MAX} tests can be marked."
        raise Failure(400, "invalid_body", detail)
    return kept


def _by_api(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(api_of(path), []).append(path)
    return found
