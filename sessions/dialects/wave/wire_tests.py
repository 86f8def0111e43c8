"""Shapes of the WAVE tests API: the next test, the tests of a session, the last that came back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from projections.folds.run import Done, Run, Verdict, api_of
from sessions.dialects.wave.selection import order_of
from sessions.domain.turn import Plan
from sessions.failure import Failure, FieldError

COUNT: Final = 5
COUNT_MAX: Final = 10_000
MALFUNCTIONING_MAX: Final = 10_000
VERDICTS: Final[tuple[Verdict, ...]] = ("pass", "fail", "timeout")
_DIGITS_MAX: Final = 9

Uploaded = Mapping[str, Sequence[Verdict]]
"""How the tests went whose results came in files."""


class NextTest(msgspec.Struct, frozen=True):
    """Where the device goes next: a test, or the page of a session that has none to give."""

    next_test: str


class TestsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of a session by API (section 1.3, with the key that its documents promise)."""

    token: str
    pending_tests: dict[str, list[str]]
    running_tests: dict[str, list[str]]
    completed_tests: dict[str, list[str]]


def tests_of(token: str, run: Run, plan: Plan, uploaded: Uploaded) -> TestsOf:
    """What is still to run, what is out, and what has a result, be it in a file."""
    pending = plan.pending(run)
    known = {*pending, *run.running, *run.completed} if uploaded else set()
    more = (path for path in uploaded if path not in known)
    return TestsOf(
        token=token,
        pending_tests=_by_api(pending),
        running_tests=_by_api(run.running),
        completed_tests=_by_api([*run.completed, *more]),
    )


def in_order(order: Sequence[str], uploaded: Uploaded) -> Sequence[str]:
    """The selected tests and those of files, in the order of execution (section 3.6)."""
    more = uploaded.keys() - set(order) if uploaded else ()
    return sorted((*order, *more), key=order_of) if more else order


def last_completed(
    run: Run, order: Sequence[str], wanted: Iterable[Verdict], count: int, uploaded: Uploaded
) -> dict[Verdict, list[str]]:
    """The last `count` tests of each verdict in the order of execution (section 3.7).

    A file of results takes the place of all that its API's tests had reported (section 1.4).
    """
    lists: dict[Verdict, list[str]] = {verdict: [] for verdict in wanted}
    missing = len(lists) if count else 0
    for path in reversed(order):
        if not missing:
            break
        done = run.completed.get(path)
        if run.replaced and _in_file(run, path, done):
            verdicts = uploaded.get(path, ())
        else:
            verdicts = () if done is None else done.verdicts
        for verdict in verdicts:
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
    count = count.strip()
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


def _in_file(run: Run, path: str, done: Done | None) -> bool:
    at = run.replaced_at.get(api_of(path))
    return at is not None and (done is None or done.position <= at)


def _by_api(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(api_of(path), []).append(path)
    return found
