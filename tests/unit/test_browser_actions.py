"""What the log is told of actions and addresses: never what may be secret."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions.browser_actions import acted_fact, fields_of, hidden_in
from sessions.browser_addresses import URL_CHARS_MAX, without_user
from sessions.runtimes.browser.port import Action, Done, Selector


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.test/x?q=1#f", "https://a.test/x?q=1#f"),
        ("https://me:pw@a.test/x", "https://a.test/x"),
        ("https://me@a.test", "https://a.test"),
        ("https://me:p@ss@a.test/", "https://a.test/"),
        ("HTTP:\\\\me:pw@a.test\\x", "HTTP:\\\\a.test\\x"),
        ("http:me:pw@a.test/", "http:a.test/"),
        ("https://a.test/@x", "https://a.test/@x"),
        ("https://a.test?m=a@b", "https://a.test?m=a@b"),
        ("mailto:a@b.test", "mailto:b.test"),
        (" https://me:pw@a.test/ ", "https://a.test/"),
        ("about:blank", "about:blank"),
        ("", ""),
    ],
)
def test_an_address_has_no_user_and_no_password(url, told):
    assert without_user(url) == told


@given(st.text(max_size=50))
@example("x" * (URL_CHARS_MAX + 1))
def test_any_address_is_told_in_bounds_and_a_second_look_changes_nothing(text):
    told = without_user(text)
    assert len(told) <= URL_CHARS_MAX
    assert told == told.strip() or len(text) > URL_CHARS_MAX


def test_only_what_was_said_is_told():
    assert fields_of(Action(type="reload")) == {}
    action = Action(type="click", selector=Selector(css="a", frames=("iframe",)))
    assert fields_of(action) == {"selector": {"css": "a", "frames": ("iframe",)}}


@pytest.mark.parametrize(
    ("action", "hidden"),
    [
        (Action(type="fill", id="I1", value="x"), ("value",)),
        (Action(type="select_dropdown_option", id="I1", value="x"), ("value",)),
        (Action(type="check", id="I1", value=True), ()),
        (Action(type="form_fill", values={"a": "b"}), ("values",)),
        (Action(type="evaluate_js", code="1"), ("code",)),
        (Action(type="goto", url="https://a.test/"), ()),
        (Action(type="press_key", key="Enter"), ()),
    ],
)
def test_what_is_hidden(action, hidden):
    assert hidden_in(action) == hidden


@given(st.text(min_size=1, max_size=20), st.text(max_size=40))
def test_the_fact_of_a_fill_does_not_hold_what_was_typed(value, words):
    secret = f"<{value}>"
    done = Done(success=False, message=f"{words}{secret}{words}{secret}")
    fact = acted_fact(Action(type="fill", id="I1", value=secret), "sealed:v1:x", done, 1, ())
    assert secret not in fact.message
    assert secret not in str(msgspec.to_builtins(fact)["action"])


def test_a_fact_is_small_whatever_the_page_says():
    done = Done(success=False, message="m" * 10**6, label="l" * 10**6, error_type="e" * 10**6)
    url = "data:text/html," + "x" * 10**6
    selector = Selector(css="c" * 10**6, xpath="x" * 10**6)
    fact = acted_fact(Action(type="goto", url=url, selector=selector), "", done, 1, ())
    assert len(msgspec.json.encode(fact)) < 20_000
