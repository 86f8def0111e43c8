"""The selection of tests against the words of the contract, taken literally (sections 3.2-3.6)."""

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sessions.dialects.wave.selection import (
    Test,
    execution_order,
    order_of,
    query_of,
    select,
    timeout_of,
)

pieces = st.text("aAb.+?*(/", max_size=6) | st.sampled_from(["manual", "https", ".html", "a/b"])
paths = st.lists(pieces, max_size=4).map(lambda parts: "/" + "".join(parts).replace("?", ""))
entries = st.lists(paths | st.builds("{}?{}".format, paths, pieces) | pieces, max_size=8)
tests = st.lists(st.builds(Test, paths, st.booleans()), max_size=12)
types = st.lists(st.sampled_from(["automatic", "manual"]), max_size=2)


def matches(entry: str, path: str) -> bool:
    literal = entry.split("?")[0]
    return literal.startswith("/") and re.match("^" + re.escape(literal), path) is not None


def in_words(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    wanted = not include or any(matches(entry, path) for entry in include)
    return wanted and not any(matches(entry, path) for entry in exclude)


@given(tests, entries, entries, types)
def test_the_quick_way_selects_what_the_words_select(given_tests, include, exclude, kinds):
    expected = [
        test
        for test in given_tests
        if ("manual" if test.manual else "automatic") in kinds
        and in_words(test.path, include, exclude)
    ]
    assert select(given_tests, include, exclude, kinds) == expected


@given(paths, entries)
def test_the_quick_way_finds_the_queries_that_the_words_find(path, include):
    expected = "".join(
        (entry + "??").split("?")[1] + "&" for entry in include if matches(entry, path)
    )
    assert query_of(path, include) == expected


@given(tests)
def test_the_order_is_four_passes_of_apis_of_paths(given_tests):
    ordered = execution_order(given_tests)
    assert sorted(map(id, ordered)) == sorted(map(id, given_tests))
    expected = []
    for manual, https in [(True, False), (True, True), (False, False), (False, True)]:
        taken = [
            test.path
            for test in given_tests
            if (("manual" in test.path), ("https" in test.path)) == (manual, https)
        ]
        apis = sorted({Test(path).api for path in taken}, key=lambda api: (api.lower(), api))
        for api in apis:
            inside = [path for path in taken if Test(path).api == api]
            expected += sorted(inside, key=lambda path: (path.replace("/", "").lower(), path))
    assert [test.path for test in ordered] == expected


@given(tests, st.randoms())
def test_the_order_does_not_depend_on_the_order_of_what_is_given(given_tests, chance):
    shuffled = list(given_tests)
    chance.shuffle(shuffled)
    assert [order_of(test.path) for test in execution_order(shuffled)] == [
        order_of(test.path) for test in execution_order(given_tests)
    ]


@given(paths, st.dictionaries(pieces | paths, st.integers(0, 9), max_size=5))
def test_the_first_key_in_the_dictionary_decides(path, timeouts):
    matching = (
        ms
        for key, ms in timeouts.items()
        if re.match("^" + re.escape(key.replace(".", "")), path.replace(".", ""))
    )
    default = 300_000 if "manual" in path else 60_000
    kind = "manual" if "manual" in path else "automatic"
    assert timeout_of(path, timeouts) == next(matching, timeouts.get(kind, default))
