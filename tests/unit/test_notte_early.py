"""Notte's early API: what its operations take, refuse and answer (notte.md, section 2)."""

from typing import Any

import msgspec
import pytest

from projections.folds.session import Session
from sessions.dialects.notte import wire, wire_early, wire_early_pages
from sessions.dialects.notte.early_spaces import SESSIONS_MAX, EarlySpaces
from sessions.dialects.notte.wire_categories import CATEGORIES
from sessions.dialects.notte.wire_early_pages import Seen, page_answer
from sessions.failure import Failure
from sessions.runtimes.browser import port
from sessions.runtimes.browser.port import Action

# Section 2.2: the client sends every field, nulls included.
COMMON = {
    "session_id": "s",
    "keep_alive": True,
    "session_timeout_minutes": 5,
    "screenshot": None,
}
COUNTS = {"min_nb_actions": None, "max_nb_actions": 100}
STEP = {**COMMON, **COUNTS, "action_id": "L1", "value": None, "enter": None}
PLACE = port.Place(
    url="http://site.test/",
    title="Site",
    tabs=(),
    viewport=port.Viewport(
        scroll_x=0, scroll_y=0, width=1280, height=720, total_width=1280, total_height=720
    ),
)
READS = {
    wire_early.start: {},
    wire_early.target: {"session_id": "s"},
    wire_early.observe: {"session_id": "s"},
    wire_early.scrape: {"session_id": "s"},
    wire_early.step: {"session_id": "s", "action_id": "L1"},
}


def found(id_: str, role: port.Role, **more: Any) -> port.PageAction:
    """Something that can be done."""
    given = {"type": "click", "description": f"Does {id_}", "category": "Links", "label": "x"}
    return port.PageAction(id=id_, role=role, selector=port.Selector(css="a"), **{**given, **more})


def observed(*actions: port.PageAction, category: str = "form") -> port.Observation:
    """A page with these actions."""
    return port.Observation(
        place=PLACE, description="A site.", category=category, actions=actions, screenshot=b""
    )


def session(**changes: Any) -> Session:
    """A session that runs."""
    plain: dict[str, Any] = {
        "id": "s",
        "kind": "browser",
        "dialect": "notte",
        "tenant": "lab",
        "owner": "me",
        "status": "running",
        "reason": "requested",
        "actor": "me",
        **dict.fromkeys(("created", "position", "status_position"), 1),
        **dict.fromkeys(("created_at", "updated_at", "active_at"), 1_000_000),
        "max_duration_s": 900,
    }
    return Session(**{**plain, **changes})


def answered(seen: Seen, images: bool = False) -> Any:
    """The answer as JSON."""
    shown = wire.session_response(session(), 2_000_000)
    return msgspec.json.decode(msgspec.json.encode(page_answer(shown, seen, images)))


def refused(read: Any, body: Any, query: dict[str, str] | None = None) -> list[str]:
    """Where a request is wrong."""
    with pytest.raises(Failure) as caught:
        read(body, query or {})
    assert caught.value.status == 400
    return [".".join(map(str, each.path)) for each in caught.value.fields]


def test_2_2_the_bodies_of_the_client_are_taken() -> None:
    seen = wire_early.observe({**COMMON, **COUNTS, "url": None}, {})
    assert (seen.url, seen.actions_max, seen.target.session_id) == ("", 100, "s")
    body = {**COMMON, **COUNTS, "url": "x", "scrape_images": True, "only_main_content": False}
    read = wire_early.scrape(body, {})
    assert read.wanted == port.ScrapeWanted(images=True, only_main_content=False)
    assert wire_early.scrape({"scrape_links": False}, {}).wanted == port.ScrapeWanted(links=False)
    stepped = wire_early.step(STEP, {})
    assert (stepped.action_id, stepped.value, stepped.enter) == ("L1", "", False)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("body", "query", "place"),
    [
        ({"keep_alive": "yes"}, {}, "body.keep_alive"),
        ({"session_timeout_minutes": 31}, {}, "body.session_timeout_minutes"),
        ({"session_timeout": 0}, {}, "body.session_timeout"),
        ({"screenshot": "x"}, {}, "body.screenshot"),
        ({"session_id": 5}, {}, "body.session_id"),
        ({}, {"session_timeout": "31"}, "query.session_timeout"),
        ({}, {"keep_alive": "perhaps"}, "query.keep_alive"),
    ],
)
def test_2_1_the_common_part_is_read_alike_everywhere(
    read: Any, body: Any, query: dict[str, str], place: str
) -> None:
    assert refused(read, {**READS[read], **body}, query) == [place]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("body", [[], "x", 5, True])
def test_2_4_a_body_that_is_no_object_is_400(read: Any, body: Any) -> None:
    assert "body" in refused(read, body)


@pytest.mark.parametrize(
    ("read", "body", "place"),
    [
        (wire_early.step, {"session_id": "s"}, "body.action_id"),
        (wire_early.step, {**STEP, "session_id": None}, "body.session_id"),
        (wire_early.step, {**STEP, "action_id": ""}, "body.action_id"),
        (wire_early.step, {**STEP, "action_id": "L" * 129}, "body.action_id"),
        (wire_early.step, {**STEP, "value": 5}, "body.value"),
        (wire_early.step, {**STEP, "enter": "yes"}, "body.enter"),
        (wire_early.step, {**STEP, "action_id": "S1"}, "body.value"),
        *(
            (wire_early.step, {**STEP, "action_id": "S7", "value": bad}, "body.value")
            for bad in (None, "", "x", "-1", "31", "nan", "inf", "1e400")
        ),
        (wire_early.observe, {"max_nb_actions": 0}, "body.max_nb_actions"),
        (wire_early.observe, {"max_nb_actions": None}, "body.max_nb_actions"),
        (wire_early.observe, {"min_nb_actions": -1}, "body.min_nb_actions"),
        (wire_early.observe, {"url": 5}, "body.url"),
        (wire_early.observe, {"url": "x" * 40_000}, "body.url"),
        (wire_early.scrape, {"scrape_images": None}, "body.scrape_images"),
        (wire_early.scrape, {"instructions": "all prices"}, "body.instructions"),
        (wire_early.scrape, {"response_format": {"a": 1}}, "body.response_format"),
    ],
)
def test_2_4_unusable_values_are_400(read: Any, body: Any, place: str) -> None:
    assert refused(read, body) == [place]


def test_2_4_a_query_fills_in_for_the_body_and_never_overrules_it() -> None:
    query = {"action_id": "B2", "value": "5", "session_timeout": "9", "max_nb_actions": "7"}
    asked = wire_early.step({"session_id": "s"}, query)
    assert (asked.action_id, asked.value, asked.actions_max) == ("B2", "5", 7)
    assert asked.target.start.timeout_minutes == 9
    assert wire_early.step(STEP, query).action_id == "L1"
    assert wire_early.step(STEP, query).target.start.timeout_minutes == 5


@pytest.mark.parametrize(
    ("action_id", "value", "action"),
    [
        ("S1", "http://a.test", Action(type="goto", url="http://a.test")),
        ("S4", None, Action(type="go_back")),
        ("S5", None, Action(type="go_forward")),
        ("S6", None, Action(type="reload")),
        ("S7", "1.5", Action(type="wait", time_ms=1500)),
        ("S7", "0", Action(type="wait")),
        ("S2", None, None),
        ("S3", None, None),
        ("S8", None, None),
        ("L1", None, None),
    ],
)
def test_2_2_special_actions(action_id: str, value: Any, action: Any) -> None:
    asked = wire_early.step({**STEP, "action_id": action_id, "value": value}, {})
    assert asked.action == action


@pytest.mark.parametrize(
    ("type_", "value", "enter", "action"),
    [
        ("click", "left out", None, Action(type="click", id="I1")),
        ("fill", "text", True, Action(type="fill", id="I1", value="text", press_enter=True)),
        ("fill", None, None, Action(type="fill", id="I1", value="")),
        ("check", None, None, Action(type="check", id="I1", value=True)),
        ("check", "False", None, Action(type="check", id="I1", value=False)),
        (
            "select_dropdown_option",
            "a",
            False,
            Action(type="select_dropdown_option", id="I1", value="a"),
        ),
    ],
)
def test_2_2_a_step_does_what_the_element_takes(
    type_: port.ActionType, value: Any, enter: Any, action: Action
) -> None:
    asked = wire_early.step({**STEP, "action_id": "I1", "value": value, "enter": enter}, {})
    assert wire_early.element_action(asked, type_) == action


@pytest.mark.parametrize(
    ("started", "operation", "goes_on"),
    [
        ({}, {}, True),
        ({}, {"keep_alive": False}, True),
        ({"keep_alive": True}, {"keep_alive": False}, True),
        ({"keep_alive": False}, {}, False),
        ({"keep_alive": False}, {"keep_alive": False}, False),
        ({"keep_alive": False}, {"keep_alive": True}, True),
    ],
)
def test_2_1_only_a_session_that_was_to_end_with_its_operation_does(
    started: Any, operation: Any, goes_on: bool
) -> None:
    command = wire_early.to_command(wire_early.start(started, {}), "me")
    asked = wire_early.observe({"session_id": "s", **operation}, {}).target.start
    assert wire_early.goes_on(command.spec, asked) == goes_on


def test_2_3_a_session_that_somebody_else_made_goes_on() -> None:
    asked = wire_early.observe({"session_id": "s", "keep_alive": False}, {}).target.start
    assert wire_early.goes_on({}, asked)


@pytest.mark.parametrize(
    ("asked", "spec", "wanted"),
    [
        (None, {}, False),
        (None, {"screenshot": True}, True),
        (None, {"screenshot": "yes"}, False),
        (False, {"screenshot": True}, False),
        (True, {}, True),
    ],
)
def test_2_2_a_screenshot_is_for_who_asks(asked: Any, spec: Any, wanted: bool) -> None:
    about = wire_early.observe({"screenshot": asked}, {}).target.start
    assert wire_early.wants_screenshot(about, spec) == wanted


def test_2_2_the_answer_nests_what_the_client_reads_and_has_no_word_that_it_stumbles_over() -> None:
    seen = observed(found("L1", "link"), found("I1", "input", type="fill", category=""))
    answer = answered(Seen(place=PLACE, at=3_000_000, observation=seen, screenshot=b"jpeg"))
    metadata = answer["metadata"]
    assert (metadata["title"], metadata["url"]) == ("Site", "http://site.test/")
    assert metadata["timestamp"] == "1970-01-01T00:00:03Z"
    # Client 1.3.0 needs these too.
    assert metadata.keys() >= {"viewport", "tabs"}
    assert answer["progress"] is None
    assert answer["space"]["browser_actions"] == []
    assert answer["session"]["session_id"] == answer["session_id"] == "s"
    assert answer["screenshot"] == "anBlZw=="
    assert answer["data"] is None
    assert (answer["success"], answer["message"]) == (True, "")
    assert not answer.keys() & {"status", "detail"}


def test_2_2_every_action_is_one_that_the_client_takes() -> None:
    param = port.Param(name="size", default="m", values=("s", "m"))
    seen = observed(
        found("L1", "link", param=param),
        found("I1", "input", param=param, category=""),
        found("I2", "input", type="check"),
        found("B1", "button", description="", label="Send"),
    )
    space = answered(Seen(place=PLACE, at=0, observation=seen))["space"]
    link, select, box, button = space["actions"]
    assert link["params"] == button["params"] == []
    assert select["params"] == [
        {"name": "size", "type": "string", "default": "m", "values": ["s", "m"]}
    ]
    assert len(box["params"]) == 1
    assert button["description"] == "Send"
    assert all(each["category"] for each in space["actions"])
    assert [each["id"] for each in space["special_actions"]] == [f"S{n}" for n in range(1, 9)]
    assert "* I1: Does I1 (size: string = [s, m])" in space["markdown"]
    assert "* S8: " in space["markdown"]


@pytest.mark.parametrize("category", [*sorted(CATEGORIES), "overlay", ""])
def test_2_2_the_category_is_one_of_the_client_s(category: str) -> None:
    space = answered(Seen(place=PLACE, at=0, observation=observed(category=category)))["space"]
    assert space["category"] == (category if category in CATEGORIES else "other")


def test_a_failure_is_told_where_the_client_hands_it_on() -> None:
    seen = Seen(place=PLACE, at=0, observation=observed(), problem="L9 failed: it is not there.")
    answer = answered(seen)
    assert (answer["success"], answer["message"]) == (False, seen.problem)
    assert answer["session"]["error"] == seen.problem
    assert answer["space"]["description"].startswith(seen.problem)
    assert answer["session"]["status"] == "active"


def test_2_2_images_are_there_for_who_asks() -> None:
    images = (port.Image(url="http://site.test/a.png", description="a"),)
    scraped = port.Scraped(place=PLACE, markdown="# Site", images=images)
    seen = Seen(place=PLACE, at=0, scraped=scraped)
    assert answered(seen)["data"] == {"markdown": "# Site", "images": None}
    (image,) = answered(seen, images=True)["data"]["images"]
    assert image == {"id": "F1", "url": "http://site.test/a.png", "description": "a"}


def test_an_id_stands_for_what_was_last_observed() -> None:
    spaces = EarlySpaces()
    assert (spaces.type_of("s", "L1"), spaces.type_of("s", "I1")) == ("click", "fill")
    spaces.observed("s", [found("I1", "input", type="check"), found("I2", "input", type="fill")])
    assert (spaces.type_of("s", "I1"), spaces.type_of("s", "I2")) == ("check", "fill")
    spaces.observed("s", [])
    assert spaces.type_of("s", "I1") == "fill"


def test_what_is_remembered_has_a_bound() -> None:
    spaces = EarlySpaces()
    box = [found("I1", "input", type="check")]
    for number in range(SESSIONS_MAX + 1):
        spaces.observed(str(number), box)
    assert (spaces.type_of("0", "I1"), spaces.type_of("1", "I1")) == ("fill", "check")


def test_the_special_actions_are_in_the_words_of_the_client() -> None:
    names = [(each.id, [p.name for p in each.params]) for each in wire_early_pages.SPECIAL_ACTIONS]
    assert dict(names)["S1"] == ["url"]
    assert {each.category for each in wire_early_pages.SPECIAL_ACTIONS} == {
        "Special Browser Actions"
    }
