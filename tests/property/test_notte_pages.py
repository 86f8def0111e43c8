"""Notte's bodies of pages: whatever JSON comes in is taken or refused, and nothing else happens."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.dialects.notte import (
    wire_actions,
    wire_cookies,
    wire_executions,
    wire_observations,
    wire_scraping,
)
from sessions.failure import Failure
from sessions.runtimes.browser.port import Done, Selector
from tests.support.facts import json_values

SELECTOR = "css_selector xpath_selector playwright_selector notte_selector in_shadow_root in_iframe"
FIELDS: dict[Callable[[Any], Any], str] = {
    wire_observations.observe: "max_nb_actions min_nb_actions perception_type instructions url",
    wire_scraping.scrape: (
        "scrape_links scrape_images only_main_content only_images use_link_placeholders selector"
        " ignored_tags instructions response_format model"
    ),
    wire_actions.execute: (
        "type id selector value url wait_until key amount time_ms tab_index code timeout file_path"
        " clear_before_fill press_enter"
    ),
    wire_cookies.set_cookies: "cookies",
}
selectors = st.builds(
    Selector,
    css=st.text(max_size=5),
    xpath=st.text(max_size=5),
    playwright=st.text(max_size=5),
    frames=st.lists(st.text(min_size=1, max_size=5), max_size=3).map(tuple),
    in_shadow_root=st.booleans(),
)
types = st.sampled_from(sorted(wire_actions.ACTION_TYPES))
selector_bodies = st.dictionaries(
    st.sampled_from(SELECTOR.split()), json_values | st.text(max_size=3), max_size=4
)
cookie_bodies = st.fixed_dictionaries(
    {
        "name": json_values | st.text(max_size=3),
        "value": st.text(max_size=3),
        "domain": json_values | st.just("a.test"),
        "path": st.just("/"),
        "httpOnly": st.booleans(),
    },
    optional={
        "expires": json_values | st.floats(),
        "expirationDate": json_values | st.integers(),
        "sameSite": json_values | st.sampled_from(["Lax", "none", "STRICT", "unspecified"]),
        "session": json_values,
        "hostOnly": json_values,
        "partitionKey": json_values,
    },
)
values = json_values | types | selector_bodies | st.lists(cookie_bodies, max_size=3)


def refusal_of(decode: Callable[[Any], Any], body: Any) -> Failure | None:
    try:
        taken = decode(body)
    except Failure as failure:
        return failure
    if decode is wire_actions.execute:
        ways = (taken.action is not None, taken.scrape is not None, taken.refused != "")
        assert ways.count(True) == 1
    return None


@pytest.mark.parametrize("decode", FIELDS)
@settings(max_examples=60)
@given(data=st.data())
def test_3_6_any_body_is_taken_or_refused(
    decode: Callable[[Any], Any], data: st.DataObject
) -> None:
    names = st.sampled_from(FIELDS[decode].split())
    body = data.draw(st.dictionaries(names, values, max_size=5) | json_values)
    if decode is wire_actions.execute and isinstance(body, dict):
        body = {"type": data.draw(types), **body}
    failure = refusal_of(decode, body)
    if failure is not None:
        assert failure.status == 422
        assert failure.detail
        assert all(field.message for field in failure.fields)


@given(selectors)
def test_3_6_a_selector_that_goes_out_comes_in_again(found: Selector) -> None:
    shown = msgspec.to_builtins(wire_observations.selector(found))
    body = {"type": "click", "id": "", "selector": shown}
    if not (found.css or found.xpath or found.playwright):
        with pytest.raises(Failure):
            wire_actions.execute(body)
        return
    action = wire_actions.execute(body).action
    assert action is not None
    assert action.selector is not None
    assert action.selector.css == found.css
    assert action.selector.xpath == found.xpath
    assert action.selector.frames == found.frames
    assert action.selector.in_shadow_root == found.in_shadow_root
    assert action.selector.playwright


@given(
    st.builds(
        Done,
        success=st.booleans(),
        message=st.text(max_size=5),
        error_type=st.text(max_size=5),
        text=st.none() | st.text(max_size=5),
    ),
    st.integers(0, 2**50),
    st.integers(0, 2**50),
)
def test_3_6_no_result_is_one_that_the_client_refuses(done: Done, began: int, ended: int) -> None:
    made = wire_executions.result({"type": "reload"}, done, began, ended)
    assert (made.exception is None) == (made.exception_detail is None) == made.success
    assert made.started_at <= made.ended_at
    assert made.message
    assert "detail" not in msgspec.to_builtins(made)
