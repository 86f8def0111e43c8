"""Notte's `page/execute` (notte.md section 3.6): what it takes, what it refuses, what it says."""

from typing import Any

import msgspec
import pytest

from sessions.dialects.notte import wire_actions, wire_executions
from sessions.dialects.notte.wire_actions import execute
from sessions.failure import Failure
from sessions.runtimes.browser.port import Action, Done, ScrapeWanted, Selector

MISSING = "missing"
CSS = {"css_selector": "#a"}
OF_THE_CLIENT = {
    "css_selector": "",
    "xpath_selector": "",
    "in_iframe": False,
    "in_shadow_root": False,
    "notte_selector": "",
    "iframe_parent_css_selectors": [],
    "playwright_selector": "text=Go",
    "python_selector": "",
}


def wrong(body: Any) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(Failure) as refused:
        execute(body)
    assert refused.value.status == 422
    assert refused.value.detail
    return [(field.path[1:], field.code) for field in refused.value.fields]


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"type": "goto", "url": "https://a.test"}, {"url": "https://a.test"}),
        (
            {"type": "goto", "url": "x", "wait_until": "commit"},
            {"url": "x", "wait_until": "commit"},
        ),
        ({"type": "goto", "url": "x", "wait_until": None}, {"url": "x"}),
        ({"type": "goto_new_tab", "url": "x"}, {"url": "x"}),
        ({"type": "close_tab"}, {}),
        ({"type": "switch_tab", "tab_index": 2}, {"tab_index": 2}),
        ({"type": "switch_tab", "tab_index": -1}, {"tab_index": -1}),
        ({"type": "go_back"}, {}),
        ({"type": "go_forward"}, {}),
        ({"type": "reload", "category": "Special Browser Actions", "description": "d"}, {}),
        ({"type": "wait", "time_ms": 30_000}, {"time_ms": 30_000}),
        ({"type": "press_key", "key": "Enter"}, {"key": "Enter"}),
        ({"type": "scroll_up"}, {}),
        ({"type": "scroll_up", "amount": None}, {}),
        (
            {"type": "scroll_down", "amount": 5, "selector": "#list"},
            {"amount": 5, "selector": Selector(playwright="#list")},
        ),
        ({"type": "evaluate_js", "code": "1"}, {"code": "1"}),
        ({"type": "click", "id": "B1"}, {"id": "B1"}),
        ({"type": "click", "id": "B1[:]", "press_enter": None}, {"id": "B1"}),
        ({"type": "click", "id": "", "selector": CSS}, {"selector": Selector(css="#a")}),
        (
            {"type": "click", "id": "", "selector": OF_THE_CLIENT},
            {"selector": Selector(playwright="text=Go")},
        ),
        (
            {
                "type": "click",
                "selector": {
                    **CSS,
                    "in_iframe": True,
                    "in_shadow_root": True,
                    "iframe_parent_css_selectors": ["iframe#one", "iframe"],
                },
            },
            {"selector": Selector(css="#a", frames=("iframe#one", "iframe"), in_shadow_root=True)},
        ),
        ({"type": "click", "selector": "xpath=//a"}, {"selector": Selector(xpath="//a")}),
        ({"type": "click", "selector": "css=a"}, {"selector": Selector(css="a")}),
        (
            {"type": "click", "selector": '~ Say "x" '},
            {"selector": Selector(playwright='internal:text="Say \\"x\\""')},
        ),
        ({"type": "click", "id": "B1", "timeout": 0}, {"id": "B1"}),
        ({"type": "click", "id": "B1", "timeout": 7}, {"id": "B1", "timeout_ms": 7}),
        ({"type": "click", "id": "B1", "timeout": 10**9}, {"id": "B1", "timeout_ms": 60_000}),
        (
            {"type": "fill", "id": "I1", "value": "", "clear_before_fill": False},
            {"id": "I1", "value": "", "clear_before_fill": False},
        ),
        (
            {"type": "fill", "id": "I1", "value": "v", "press_enter": True, "enter": True},
            {"id": "I1", "value": "v", "press_enter": True},
        ),
        ({"type": "check", "id": "I1", "value": False}, {"id": "I1", "value": False}),
        (
            {"type": "select_dropdown_option", "id": "I1", "value": "a"},
            {"id": "I1", "value": "a"},
        ),
        ({"type": "upload_file", "id": "B1", "file_path": "a.txt"}, {"id": "B1"}),
        ({"type": "download_file", "id": "L1"}, {"id": "L1"}),
        (
            {"type": "form_fill", "value": {"email": "e", "password": "p", "city": None}},
            {"values": {"email": "e", "current_password": "p"}},
        ),
    ],
)
def test_3_6_an_action_is_taken(body: dict[str, Any], action: dict[str, Any]) -> None:
    asked = execute(body)
    assert asked.action == Action(type=body["type"], **action)
    assert asked.told == body
    assert asked.file_path == body.get("file_path", "")


@pytest.mark.parametrize("name", ["multi_factor_fill", "fallback_fill"])
def test_3_6_all_kinds_of_filling_are_filling(name: str) -> None:
    asked = execute({"type": name, "id": "I1", "value": "1"})
    assert asked.action == Action(type="fill", id="I1", value="1")
    assert asked.told["type"] == name, "the client would not know its own action again"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ([], [((), "model_attributes_type")]),
        (None, [((), "model_attributes_type")]),
        ({}, [(("type",), MISSING)]),
        ({"type": "fly"}, [(("type",), "literal_error")]),
        ({"type": None}, [(("type",), "literal_error")]),
        ({"type": ["goto"]}, [(("type",), "literal_error")]),
        ({"type": "screenshot"}, [(("type",), "literal_error")]),
        ({"type": "goto"}, [(("url",), MISSING)]),
        ({"type": "goto", "url": None}, [(("url",), "string_type")]),
        ({"type": "goto", "url": ""}, [(("url",), "string_too_short")]),
        ({"type": "goto", "url": "x" * 32_769}, [(("url",), "string_too_long")]),
        ({"type": "goto", "url": "x", "wait_until": "ever"}, [(("wait_until",), "literal_error")]),
        ({"type": "goto", "url": "x", "wait_until": []}, [(("wait_until",), "literal_error")]),
        ({"type": "goto_new_tab", "url": 5}, [(("url",), "string_type")]),
        ({"type": "switch_tab"}, [(("tab_index",), MISSING)]),
        ({"type": "switch_tab", "tab_index": True}, [(("tab_index",), "int_type")]),
        ({"type": "switch_tab", "tab_index": 10**40}, [(("tab_index",), "less_than_equal")]),
        ({"type": "wait"}, [(("time_ms",), MISSING)]),
        ({"type": "wait", "time_ms": -1}, [(("time_ms",), "greater_than_equal")]),
        ({"type": "wait", "time_ms": 30_001}, [(("time_ms",), "less_than_equal")]),
        ({"type": "wait", "time_ms": 1.5}, [(("time_ms",), "int_from_float")]),
        ({"type": "press_key", "key": ""}, [(("key",), "string_too_short")]),
        ({"type": "scroll_up", "amount": -1}, [(("amount",), "greater_than_equal")]),
        ({"type": "scroll_up", "amount": "5"}, [(("amount",), "int_type")]),
        ({"type": "scroll_up", "selector": 5}, [(("selector",), "model_attributes_type")]),
        ({"type": "evaluate_js", "code": ""}, [(("code",), "string_too_short")]),
        ({"type": "form_fill"}, [(("value",), MISSING)]),
        ({"type": "form_fill", "value": {}}, [(("value",), "value_error")]),
        ({"type": "form_fill", "value": {"email": None}}, [(("value",), "value_error")]),
        ({"type": "form_fill", "value": []}, [(("value",), "dict_type")]),
        (
            {"type": "form_fill", "value": {"shoe": "x"}},
            [(("value", "shoe", "[key]"), "literal_error")],
        ),
        ({"type": "form_fill", "value": {"email": 5}}, [(("value", "email"), "string_type")]),
        (
            {"type": "form_fill", "value": {"password": "a", "current_password": "b"}},
            [(("value",), "value_error")],
        ),
        ({"type": "click"}, [(("id",), "value_error")]),
        ({"type": "click", "id": None, "selector": None}, [(("id",), "value_error")]),
        ({"type": "click", "id": "", "selector": ""}, [(("id",), "value_error")]),
        ({"type": "click", "id": 5}, [(("id",), "string_type")]),
        ({"type": "click", "id": "x" * 129}, [(("id",), "string_too_long")]),
        ({"type": "click", "id": "B1", "timeout": -1}, [(("timeout",), "greater_than_equal")]),
        ({"type": "click", "selector": {"css_selector": 5}}, None),
        ({"type": "click", "selector": {"notte_selector": "B1"}}, [(("selector",), "value_error")]),
        (
            {"type": "click", "selector": {**CSS, "iframe_parent_css_selectors": [""] * 33}},
            [(("selector", "iframe_parent_css_selectors"), "too_long")],
        ),
        ({"type": "fill", "id": "I1"}, [(("value",), MISSING)]),
        ({"type": "fill", "id": "I1", "value": 5}, [(("value",), "string_type")]),
        ({"type": "check", "id": "I1", "value": "yes"}, [(("value",), "bool_type")]),
        ({"type": "upload_file", "id": "I1"}, [(("file_path",), MISSING)]),
        ({"type": "scrape", "selector": 5}, [(("selector",), "string_type")]),
    ],
    ids=str,
)
def test_3_6_an_unsound_action_is_refused(body: Any, errors: Any) -> None:
    found = wrong(body)
    assert found if errors is None else found == errors


@pytest.mark.parametrize("name", sorted(wire_actions.NOT_AVAILABLE))
def test_3_6_what_needs_others_is_refused_with_a_sentence(name: str) -> None:
    asked = execute({"type": name})
    assert asked.action is None
    assert name in asked.refused
    assert "not available here" in asked.refused


def test_3_6_reading_is_an_action_too() -> None:
    asked = execute({"type": "scrape", "only_main_content": True})
    assert asked.scrape == ScrapeWanted(only_main_content=True)
    assert asked.action is None


def test_3_6_a_failure_names_the_class_that_the_client_raises() -> None:
    told = {"type": "click", "id": "B9"}
    done = Done(success=False, message="There is no B9", error_type="InvalidActionError")
    result = msgspec.to_builtins(wire_executions.result(told, done, 5, 4))
    assert result["action"] == told
    assert (result["success"], result["exception"]) == (False, "There is no B9")
    assert result["exception_detail"]["error_type"] == "InvalidActionError"
    # An end before the start is a ValidationError of the client, whatever the clock does.
    assert result["started_at"] <= result["ended_at"]
    assert "detail" not in result, "the client takes such an answer for an error"


def test_3_6_a_failure_without_words_has_some() -> None:
    result = wire_executions.result({}, Done(success=False, message=""), 0, 0)
    assert result.message
    assert result.exception
    assert result.exception_detail is not None
    assert result.exception_detail.error_type == "NotteBaseError"


def test_3_6_a_success_has_no_exception() -> None:
    done = Done(success=True, message="ok", error_type="Odd", text="null")
    result = msgspec.to_builtins(wire_executions.result({}, done, 0, 1))
    assert (result["exception"], result["exception_detail"]) == (None, None)
    assert result["data"] == {"markdown": "null"}
