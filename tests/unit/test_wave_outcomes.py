"""Results as devices send them, as they are kept, and what they come to (1.4, 3.5-3.8)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.events.test_run import TestTimedOut
from projections.folds.run import outcomes, verdicts
from sessions.dialects.wave.outcomes import (
    PATH_CHARS_MAX,
    RESULT_BYTES_MAX,
    Refused,
    Result,
    browser_code,
    normal_result,
    server_timeout,
    shown,
)

DOCUMENTED: dict[str, Any] = {
    "test": "/a/b.html",
    "status": "OK",
    "message": None,
    "subtests": [{"name": "one", "status": "PASS", "message": None}],
    "meta": {"observed": True},
}


def kept(raw):
    found = normal_result(raw)
    assert isinstance(found, Result), found
    return found


def reason(raw):
    found = normal_result(raw)
    assert isinstance(found, Refused)
    return found.reason


def test_the_documented_form_is_read_back_as_it_was_sent():  # 3.8, form 1
    read = shown(kept(DOCUMENTED))
    assert msgspec.to_builtins(read) == DOCUMENTED | {"subtests": tuple(DOCUMENTED["subtests"])}
    assert list(read) == ["test", "status", "message", "subtests", "meta"]


def test_what_a_test_page_sends_becomes_the_documented_form():  # 3.8, form 2
    page = {
        "test": "/a/b.html",
        "status": 1,
        "message": "boom",
        "stack": "at x",
        "tests": [
            {"name": str(number), "status": number, "message": None, "stack": "at y"}
            for number in range(5)
        ],
    }
    assert shown(kept(page)) == {
        "test": "/a/b.html",
        "status": "ERROR",
        "message": "boom",
        "subtests": tuple(
            {"name": str(number), "status": word, "message": None}
            for number, word in enumerate(["PASS", "FAIL", "TIMEOUT", "NOTRUN", "NOTRUN"])
        ),
    }


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (0, "OK"),
        (1, "ERROR"),
        (2, "TIMEOUT"),
        (3, "NOTRUN"),
        (4, "ERROR"),
        (-1, "ERROR"),
        (10**30, "ERROR"),
        ("OK", "OK"),
        ("NOTRUN", "NOTRUN"),
        ("NOT_RUN", "NOTRUN"),
        ("PRECONDITION_FAILED", "NOTRUN"),
    ],
)
def test_a_harness_status_becomes_one_of_four_words(sent, word):  # 1.9, 3.8
    assert kept({"test": "/a", "status": sent}).status == word


@pytest.mark.parametrize("sent", [None, "", "PASS", "ok", True, 1.0, [], {}])
def test_another_harness_status_is_refused(sent):  # 3.8
    assert "status" in reason({"test": "/a", "status": sent})


@pytest.mark.parametrize(
    "sent",
    [None, [], "x", 1, {}, {"status": 0}, {"test": "", "status": 0}, {"test": 1, "status": 0}],
)
def test_what_names_no_test_is_refused(sent):  # 3.8
    assert reason(sent)
    assert "path" in reason({"test": "/" * (PATH_CHARS_MAX + 1), "status": 0})


@pytest.mark.parametrize("sent", ["x", 1, {}, ["x"], [None], [[]]])
@pytest.mark.parametrize("key", ["tests", "subtests"])
def test_subtests_are_objects(key, sent):  # 3.8
    assert "subtests" in reason({"test": "/a", "status": 0, key: sent})


def test_subtests_that_are_not_told_of_are_not_made_up():  # 3.8
    assert kept({"test": "/a", "status": 0, "subtests": None}).subtests is None
    assert "subtests" not in shown(kept({"test": "/a", "status": 0}))
    assert kept({"test": "/a", "status": 0, "tests": []}).subtests == ()


def test_documented_subtests_are_kept_unchecked_but_for_one_word():  # 1.9, 3.8
    sent = [{"status": "NOT_RUN"}, {"status": "ODD", "stack": "s"}, {}, {"status": ["x"]}]
    assert kept({"test": "/a", "status": 0, "subtests": sent}).subtests == (
        {"status": "NOTRUN"},
        *sent[1:],
    )


def test_a_path_is_kept_as_sent_and_a_message_is_text():  # 3.8
    found = kept({"test": "/a/b.html?x", "status": 0, "message": {"odd": 10**30}})
    assert (found.path, found.message) == ("/a/b.html?x", f'{{"odd":{10**30}}}')


@pytest.mark.parametrize("where", ["message", "extra", "subtest"])
def test_long_texts_are_cut_until_they_fit_into_an_event(where):
    long = "ä" * 2_000_000
    sent: Any = {
        "message": {"message": long},
        "extra": {"more": {"deep": [long]}},
        "subtest": {"subtests": [{"name": "n", "status": "FAIL", "message": long}]},
    }[where]
    found = kept({"test": "/a", "status": 0, **sent})
    encoded = msgspec.json.encode(found)
    assert 10_000 < len(encoded) <= RESULT_BYTES_MAX


def test_many_long_messages_are_cut_shorter_than_one():
    subtests = [{"name": f"{n}", "status": "FAIL", "message": "m" * 10_000} for n in range(1_000)]
    path = "/a" * 1_000
    found = kept({"test": path, "status": 0, "subtests": subtests})
    assert found.path == path
    assert len(found.subtests) == 1_000
    assert {len(each["message"]) for each in found.subtests} == {256}
    assert {each["status"] for each in found.subtests} == {"FAIL"}


def test_what_does_not_fit_however_it_is_cut_is_refused():
    assert str(RESULT_BYTES_MAX) in reason({"test": "/a", "status": 0, "list": [0] * 1_000_000})
    assert reason({"test": "/a", "status": 0, "k" * 1_000_000: 1})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
keys = st.sampled_from(["test", "status", "message", "stack", "tests", "subtests", "path", "extra"])
subtests = st.lists(
    st.dictionaries(st.sampled_from(["name", "status", "stack"]), values), max_size=3
)
reports = st.fixed_dictionaries(
    {"test": st.sampled_from(["/a/b", "a", "?"]) | values, "status": st.integers(0, 4) | values},
    optional={"tests": subtests | values, "subtests": subtests | values, "path": values},
)


@given(values | st.dictionaries(keys, values) | reports)
def test_any_json_is_a_result_or_refused_and_a_result_is_stable(raw):
    found = normal_result(raw)
    if isinstance(found, Refused):
        assert found.reason
        return
    assert msgspec.json.decode(msgspec.json.encode(found), type=Result) == found
    assert len(outcomes(found)) == (1 if found.subtests is None else len(found.subtests))
    assert verdicts(found)
    read = msgspec.json.decode(msgspec.json.encode(shown(found)))
    assert normal_result(read) == found


def test_a_time_out_of_the_service_says_so():  # 3.5
    assert shown(server_timeout(TestTimedOut(path="/a", logs=("l",)))) == {
        "test": "/a",
        "status": "TIMEOUT",
        "message": None,
        "subtests": ({"status": "TIMEOUT", "xstatus": "SERVERTIMEOUT"},),
        "logs": ["l"],
    }


def made(status, *statuses, path="/a"):
    return Result(path=path, status=status, subtests=tuple({"status": each} for each in statuses))


@pytest.mark.parametrize(
    ("result", "kinds"),
    [
        (made("OK", "PASS"), ("pass",)),
        (made("OK"), ("pass",)),
        (Result(path="/a", status="OK"), ("pass",)),
        (made("OK", "PASS", "FAIL"), ("fail",)),
        (made("OK", "NOTRUN"), ("fail",)),
        (made("ERROR", "FAIL"), ("fail",)),
        (made("ERROR", "PASS"), ("fail", "pass")),
        (made("TIMEOUT", "PASS"), ("timeout", "pass")),
        (made("TIMEOUT"), ("timeout", "pass")),
        (made("TIMEOUT", "TIMEOUT"), ("timeout", "fail")),
        (server_timeout(TestTimedOut(path="/a")), ("timeout", "fail")),
        (made("NOTRUN", "FAIL"), ("fail",)),
    ],
)
def test_a_result_is_in_the_lists_that_the_contract_names(result, kinds):  # 3.7
    assert verdicts(result) == kinds


@pytest.mark.parametrize(
    ("name", "version", "code"),
    [
        ("Chrome", "81.0.4044", "Ch81"),
        ("Chrome Mobile WebView", "9", "Ch09"),
        ("Chromium", "120.1", "Cm120"),
        ("WebKit", "1", "Wk01"),
        ("Safari", "13", "Sf13"),
        ("Firefox", "70.0", "FF70"),
        ("IE", "11", "IE11"),
        ("Edge", "18", "Ed18"),
        ("Opera", "60", "Op60"),
        ("Other", "0", "Xx00"),
        ("../x", "../y", "Xx00"),
        ("Chrome", "", "Ch00"),
        ("Chrome", "9" * 50, "Ch00"),
        ("Chrome", "٣", "Ch00"),
    ],
)
def test_a_browser_has_a_code_for_file_names(name, version, code):  # 1.4
    assert browser_code(name, version) == code
