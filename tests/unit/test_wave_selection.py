"""Which tests a WAVE session runs, in what order, for how long (contract sections 3.2 to 3.6)."""

from collections import Counter
from math import inf, log2, nan
from typing import ClassVar

import pytest

from sessions.dialects.wave.outcomes import Result
from sessions.dialects.wave.selection import (
    TIMEOUT_MS_MAX,
    Test,
    execution_order,
    passed_in_references,
    query_of,
    select,
    timeout_of,
)

BOTH = ("automatic", "manual")
PATHS = [
    "/dom/a.html",
    "/dom/nodes/b.html",
    "/web/c.html",
    "/webstorage/d.html",
    "/webstorage/x+y.html",
]


def picked(include, exclude=(), types=BOTH, paths=PATHS):
    return [test.path for test in select(map(Test, paths), include, exclude, types)]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ([], PATHS),
        (["/"], PATHS),
        (["/web"], PATHS[2:]),
        (["/web/"], PATHS[2:3]),
        (["/dom/nodes", "/dom"], PATHS[:2]),
        (["/dom/a.html?x=1"], PATHS[:1]),
        (["/dom/a.html?x?/web"], PATHS[:1]),
        (["dom"], []),
        ([""], []),
        (["?/dom"], []),
        (["/Dom"], []),
        (["/dom/a.htm."], []),
        (["/.*"], []),
        (["/webstorage/x+y"], PATHS[4:]),
        (["/webstorage/x*"], []),
        (["/(", "/web["], []),
        (["/zzz", "/dom/a.html.html"], []),
    ],
)
def test_an_entry_is_the_plain_beginning_of_a_path(include, expected):  # 3.2
    assert picked(include) == expected


def test_an_exclude_wins_over_an_include_and_drops_its_query_too():  # 3.2
    assert picked(["/web", "/dom"], ["/webstorage?q", "/dom/nodes/"]) == [
        "/dom/a.html",
        "/web/c.html",
    ]
    assert picked([], ["/"]) == []
    assert picked([], ["web", ""]) == PATHS


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (BOTH, ["/a/auto.html", "/a/by-hand.html"]),
        (["automatic"], ["/a/auto.html"]),
        (["manual"], ["/a/by-hand.html"]),
        ([], []),
    ],
)
def test_types_pick_by_what_a_test_is(types, expected):  # 3.3
    tests = [Test("/a/auto.html"), Test("/a/by-hand.html", manual=True)]
    assert [test.path for test in select(tests, ["/a"], [], types)] == expected


class CountedPath(str):
    """A path that counts what it is compared with."""

    __slots__ = ()
    comparisons: ClassVar = Counter[str]()

    def __lt__(self, other):
        self.comparisons["less"] += 1
        return str.__lt__(self, other)

    def startswith(self, *given):
        self.comparisons["begins"] += 1
        return str.startswith(self, *given)


def test_a_list_of_thousands_of_files_costs_few_comparisons_a_test():  # 3.2
    listed = [f"/api{n % 7}/folder{n % 50}/test{n}.html" for n in range(5_000)]
    tests = [Test(CountedPath(f"/api{n % 7}/folder{n % 50}/test{n}.html")) for n in range(10_000)]
    CountedPath.comparisons.clear()
    assert len(select(tests, listed, [], BOTH)) == 5_000
    assert CountedPath.comparisons["less"] <= len(tests) * (log2(len(listed)) + 1)
    assert CountedPath.comparisons["begins"] <= 2 * len(tests)


def test_order_is_manual_first_then_http_then_api_then_path():  # 3.6
    wanted = [
        "/a/x-manual.html",
        "/B/x-manual.html",
        "/a/x-manual.https.html",
        "/a/ab.html",
        "/a/a/c.html",
        "/a/ad.html",
        "/B/a.html",
        "/c/A.html",
        "/c/b.html",
        "/c/a.https.html",
        "/https-api/a.html",
    ]
    assert [test.path for test in execution_order(map(Test, sorted(wanted)))] == wanted


def test_apis_that_differ_in_case_alone_stay_apart():  # 3.6
    wanted = ["/AB/a.html", "/AB/c.html", "/ab/b.html", "/ab/d.html"]
    assert [test.path for test in execution_order(map(Test, reversed(wanted)))] == wanted


def test_only_the_words_of_a_path_decide_where_it_comes():  # 3.6
    tests = [Test("/a/z.html", manual=True, https=True), Test("/a/a-manual.https.html")]
    assert [test.path for test in execution_order(tests)] == [
        "/a/a-manual.https.html",
        "/a/z.html",
    ]


DEFAULT = {"automatic": 60_000, "manual": 300_000}


@pytest.mark.parametrize(
    ("path", "custom", "expected"),
    [
        ("/a/b.html", {}, 60_000),
        ("/a/b-manual.html", {}, 300_000),
        ("/manually/b.html", {}, 300_000),
        ("/a/b.html", {"/a": 1, "/a/b": 2}, 1),
        ("/a/b.html", {"/a/b": 2, "/a": 1}, 2),
        ("/a/b.html", {"/a/b.html": 3}, 3),
        ("/a/b.html", {"/a/bhtml": 4}, 4),
        ("/a/b.html", {"/A": 5}, 60_000),
        ("/a/b.html", {"/a/b+": 5}, 60_000),
        ("/a/b.html", {"a": 5}, 60_000),
        ("/a/b.html", {"": 6}, 6),
        ("/a/b.html", {"/a": 1.5}, 1.5),
    ],
)
def test_the_first_key_that_begins_a_path_decides(path, custom, expected):  # 3.5
    assert timeout_of(path, custom | DEFAULT) == expected


def test_the_order_of_keys_counts_also_against_the_two_types():  # 3.5
    assert timeout_of("/a/b.html", {**DEFAULT, "/a": 7}) == 7


@pytest.mark.parametrize("bad", ["90", None, True, nan, [], {}])
def test_what_is_no_time_is_passed_over(bad):  # 3.5: the original fails
    assert timeout_of("/a/b.html", {"/a": bad, "automatic": 5}) == 5
    assert timeout_of("/a/b.html", {"automatic": bad}) == 60_000
    assert timeout_of("/a/b-manual.html", {"manual": bad}) == 300_000


@pytest.mark.parametrize(
    ("far", "kept"),
    [(-1, 0), (-inf, 0), (2**31, TIMEOUT_MS_MAX), (inf, TIMEOUT_MS_MAX), (10**400, TIMEOUT_MS_MAX)],
)
def test_a_time_out_is_one_that_a_timer_can_have(far, kept):  # 3.5
    assert timeout_of("/a/b.html", {"/a": far}) == kept


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ([], ""),
        (["/a/b.html"], "&"),
        (["/a", "/a/b.html"], "&&"),
        (["/a/b.html?x=1", "/?y=2", "/z?no", "/a?z=3"], "x=1&y=2&z=3&"),
        (["/a?same", "/a?same"], "same&same&"),
        (["/a?one?two"], "one&"),
        (["a?no", "/A?no", "/a.b?no"], ""),
    ],
)
def test_the_queries_of_all_matching_entries_come_in_list_order(include, expected):  # 3.2
    assert query_of("/a/b.html", include) == expected


def result(path, *statuses):
    subtests = tuple({"name": str(n), "status": status} for n, status in enumerate(statuses))
    return Result(path=path, status="OK", subtests=subtests)


def test_a_test_stays_that_passed_somewhere_and_failed_nowhere():  # 3.4
    tests = [Test(path) for path in ("/a/1", "/a/2", "/a/3", "/a/4", "/b/5")]
    first = [result("/a/1", "PASS"), result("/a/2", "PASS", "FAIL"), result("/a/3")]
    second = [result("/a/2", "PASS"), result("/a/3", "TIMEOUT"), Result(path="/b/5", status="OK")]
    kept = passed_in_references(tests, [first, second])
    assert [test.path for test in kept] == ["/a/1", "/b/5"]


def test_without_a_reference_all_stay_and_with_unknown_ones_only_none():  # 3.4
    tests = [Test("/a/1"), Test("/a/2")]
    assert passed_in_references(tests, []) == tests
    assert passed_in_references(tests, [[], []]) == []
