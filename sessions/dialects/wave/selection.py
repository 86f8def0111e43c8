"""Which tests a session runs, in what order, and how long each may take."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from projections.folds.run import api_of
from sessions.dialects.wave.outcomes import Result, has_passed
from sessions.dialects.wave.wire import TIMEOUTS_MS

# The longest that a timer of a page can be: with more, browsers fire it at once.
TIMEOUT_MS_MAX: Final = (1 << 31) - 1

# How many include lists are kept ready: that of a session is asked for again with every test.
_INDEXES_MAX: Final = 64


class Test(msgspec.Struct, frozen=True, gc=False):
    """A test by its path, unescaped; `manual` where somebody at the device has to do something."""

    path: str
    manual: bool = False
    https: bool = False

    @property
    def api(self) -> str:
        """The first segment of the path."""
        return api_of(self.path)


def select(
    tests: Iterable[Test], include: Sequence[str], exclude: Sequence[str], types: Collection[str]
) -> list[Test]:
    """The tests that an entry of `include` begins and none of `exclude`, in the order given.

    An entry is plain text and may end within a segment; its `?query` does not count. Nothing to
    include means everything (sections 3.2 and 3.3).
    """
    wanted, unwanted = _shortest(include), _shortest(exclude)
    automatic, manual = "automatic" in types, "manual" in types
    return [
        test
        for test in tests
        if (manual if test.manual else automatic)
        and (not include or _begins(wanted, test.path))
        and not _begins(unwanted, test.path)
    ]


def execution_order(tests: Iterable[Test]) -> list[Test]:
    """Manual before automatic and http before https, each by API and then path (section 3.6)."""
    return sorted(tests, key=lambda test: order_of(test.path))


def order_of(path: str) -> tuple[bool, bool, str, str, str, str]:
    """Where a path comes in the order of execution; only its words decide, not what it is."""
    api = api_of(path)
    return (
        "manual" not in path,
        "https" in path,
        api.lower(),
        api,
        path.replace("/", "").lower(),
        path,
    )


def timeout_of(path: str, timeouts: Mapping[str, object]) -> int | float:
    """How long a test may take, in milliseconds: the first key that begins its path decides.

    Dots count neither in the key nor in the path (section 3.5). What is no length of time is
    passed over, down to the time-outs that a session has when nothing is said.
    """
    kind = "manual" if "manual" in path else "automatic"
    dotless = path.replace(".", "")
    custom = (ms for key, ms in timeouts.items() if dotless.startswith(key.replace(".", "")))
    for ms in (*custom, timeouts.get(kind)):
        if isinstance(ms, bool) or not isinstance(ms, int | float):
            continue
        if isinstance(ms, int) or not math.isnan(ms):
            return min(max(ms, 0), TIMEOUT_MS_MAX)
    return TIMEOUTS_MS[kind]


def query_of(path: str, include: Sequence[str]) -> str:
    """The queries of all entries that begin the path, as listed, each with `&` (section 3.2)."""
    index = _index(tuple(include))
    lengths = index.lengths[: bisect_right(index.lengths, len(path))]
    found = [entry for length in lengths for entry in index.entries.get(path[:length], ())]
    return "".join(f"{query}&" for _, query in sorted(found))


def passed_in_references(
    tests: Iterable[Test], references: Sequence[Iterable[Result]]
) -> list[Test]:
    """The tests that passed in a referenced session and failed in none (section 3.4).

    `references` has the results of each token, none for one that nobody knows; without any
    reference there is nothing to compare with, and every test stays.
    """
    if not references:
        return list(tests)
    passed, failed = set[str](), set[str]()
    for results in references:
        for result in results:
            (passed if has_passed(result) else failed).add(result.path)
    return [test for test in tests if test.path in passed and test.path not in failed]


class _Index(msgspec.Struct, frozen=True):
    """Include entries by the path they begin, each with its place in the list and its query."""

    lengths: tuple[int, ...]
    entries: dict[str, list[tuple[int, str]]]


@functools.lru_cache(maxsize=_INDEXES_MAX)
def _index(include: tuple[str, ...]) -> _Index:
    entries: dict[str, list[tuple[int, str]]] = {}
    for place, entry in enumerate(include):
        prefix, _, query = entry.partition("?")
        if prefix.startswith("/"):
            entries.setdefault(prefix, []).append((place, query.partition("?")[0]))
    return _Index(tuple(sorted({len(prefix) for prefix in entries})), entries)


def _shortest(entries: Iterable[str]) -> list[str]:
    """The beginnings that `entries` ask for, sorted, without those that a shorter one covers."""
    kept: list[str] = []
    for prefix in sorted({entry.partition("?")[0] for entry in entries}):
        if prefix.startswith("/") and not (kept and prefix.startswith(kept[-1])):
            kept.append(prefix)
    return kept


def _begins(prefixes: Sequence[str], path: str) -> bool:
    """True if one of the prefixes begins the path.

    It could only be the last that sorts before the path: one in between would begin with it.
    """
    place = bisect_right(prefixes, path)
    return place > 0 and path.startswith(prefixes[place - 1])
