"""Notte's shapes of pages (notte.md sections 3.2, 3.6, 3.8): observe, scrape, cookies and more."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from sessions.dialects.notte import (
    wire_cookies,
    wire_observations,
    wire_scraping,
)
from sessions.failure import Failure
from sessions.runtimes.browser.port import (
    Image,
    Observation,
    PageAction,
    Param,
    Place,
    Scraped,
    Selector,
    Tab,
    Viewport,
)

PLACE = Place(
    url="https://a.test/",
    title="A",
    tabs=(Tab(id=3, title="A", url="https://a.test/"),),
    viewport=Viewport(
        scroll_x=1, scroll_y=2, width=1280, height=720, total_width=1280, total_height=9000
    ),
)
COOKIE = {"name": "a", "value": "b", "domain": "a.test", "path": "/", "httpOnly": False}


def action(**fields: Any) -> PageAction:
    usual: dict[str, Any] = {
        "id": "I1",
        "role": "input",
        "type": "fill",
        "description": "Name",
        "category": "Form",
        "label": "Name",
        "selector": Selector(css="#name"),
    }
    return PageAction(**{**usual, **fields})


def seen(*actions: PageAction, **fields: Any) -> Any:
    usual: dict[str, Any] = {
        "place": PLACE,
        "description": "A page",
        "category": "form",
        "actions": actions,
        "screenshot": b"\xff\xd8\xff",
    }
    shape = wire_observations.observation(Observation(**{**usual, **fields}), 7, 3)
    return msgspec.json.decode(msgspec.json.encode(shape))


def refused(decode: Any, body: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(Failure) as failure:
        decode(body)
    assert failure.value.status == 422
    return [field.path[1:] for field in failure.value.fields]


@pytest.mark.parametrize(
    ("body", "actions_max", "url"),
    [
        (None, 100, ""),
        ({}, 100, ""),
        ({"max_nb_actions": 7, "perception_type": "fast"}, 7, ""),
        ({"max_nb_actions": 7, "min_nb_actions": 3}, 3, ""),
        ({"max_nb_actions": None, "min_nb_actions": None, "instructions": None}, 100, ""),
        ({"perception_type": "deep", "instructions": "", "url": None}, 100, ""),
        ({"url": "https://a.test"}, 100, "https://a.test"),
    ],
)
def test_3_6_observe(body: Any, actions_max: int, url: str) -> None:
    asked = wire_observations.observe(body)
    assert (asked.actions_max, asked.url) == (actions_max, url)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ([], ()),
        ("x", ()),
        ({"max_nb_actions": 0}, ("max_nb_actions",)),
        ({"max_nb_actions": 10_001}, ("max_nb_actions",)),
        ({"min_nb_actions": -1}, ("min_nb_actions",)),
        ({"max_nb_actions": "7"}, ("max_nb_actions",)),
        ({"perception_type": "slow"}, ("perception_type",)),
        ({"instructions": 5}, ("instructions",)),
        ({"instructions": "find the button"}, ("instructions",)),
        ({"url": 5}, ("url",)),
    ],
)
def test_3_6_an_unsound_observe_is_refused(body: Any, at: tuple[str, ...]) -> None:
    assert refused(wire_observations.observe, body) == [at]


def test_3_6_an_observation() -> None:
    made = seen(action())
    assert made["metadata"]["tabs"] == [{"tab_id": 3, "title": "A", "url": "https://a.test/"}]
    assert made["metadata"]["viewport"] == {
        "scroll_x": 1,
        "scroll_y": 2,
        "viewport_width": 1280,
        "viewport_height": 720,
        "total_width": 1280,
        "total_height": 9000,
    }
    assert made["screenshot"] == {"raw": "/9j/", "bboxes": []}
    assert made["space"]["category"] == "form"
    assert made["started_at"] <= made["ended_at"]
    assert made["started_at"].endswith("Z")


def test_3_6_a_category_that_the_client_does_not_know_is_none_of_its() -> None:
    assert seen(category="shop")["space"]["category"] == "other"


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({}, {"value": ""}),
        ({"param": Param(name="n", default="x")}, {"value": "x"}),
        ({"type": "select_dropdown_option"}, {"value": ""}),
        ({"type": "check"}, {"value": True}),
        ({"type": "check", "param": Param(name="v", default="false")}, {"value": False}),
        ({"type": "upload_file"}, {"file_path": ""}),
        ({"id": "B1", "role": "button", "type": "click"}, {}),
    ],
)
def test_3_6_an_observed_action_has_what_the_class_of_the_client_needs(
    fields: dict[str, Any], value: dict[str, Any]
) -> None:
    (made,) = seen(action(**fields))["space"]["interaction_actions"]
    assert {name: made[name] for name in ("value", "file_path") if name in made} == value
    assert (made["type"], made["id"]) == (fields.get("type", "fill"), fields.get("id", "I1"))


def test_3_6_an_action_has_neither_an_empty_category_nor_an_empty_description() -> None:
    (made,) = seen(action(category="", description=""))["space"]["interaction_actions"]
    assert made["category"]
    assert made["description"]


@pytest.mark.parametrize(
    ("found", "playwright"),
    [
        (Selector(css="#a", xpath="//a", playwright="text=A"), "text=A"),
        (Selector(css="#a", xpath="//a"), "#a"),
        (Selector(xpath="//a"), "xpath=//a"),
    ],
)
def test_3_6_a_selector_can_be_sent_back(found: Selector, playwright: str) -> None:
    framed = replace(found, frames=("iframe",), in_shadow_root=True)
    made = wire_observations.selector(framed)
    assert made.playwright_selector == playwright
    assert (made.in_iframe, made.in_shadow_root) == (True, True)
    assert made.iframe_parent_css_selectors == ["iframe"]


def test_3_6_scrape() -> None:
    asked = wire_scraping.scrape(None).wanted
    assert (asked.links, asked.images, asked.only_main_content) == (True, False, False)
    asked = wire_scraping.scrape({"scrape_links": False, "only_images": True}).wanted
    assert (asked.links, asked.images) == (False, True)
    asked = wire_scraping.scrape(
        {"selector": "main", "ignored_tags": ["nav"], "only_main_content": True, "model": None}
    ).wanted
    assert (asked.selector, asked.ignored_tags, asked.only_main_content) == ("main", ("nav",), True)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ([], ()),
        ({"scrape_links": 1}, ("scrape_links",)),
        ({"ignored_tags": "nav"}, ("ignored_tags",)),
        ({"ignored_tags": ["a b"]}, ("ignored_tags", 0)),
        ({"ignored_tags": ["a", 5]}, ("ignored_tags", 1)),
        ({"ignored_tags": ["a"] * 101}, ("ignored_tags",)),
        ({"response_format": "json"}, ("response_format",)),
        ({"instructions": 5}, ("instructions",)),
        ({"selector": "x" * 16_385}, ("selector",)),
    ],
)
def test_3_6_an_unsound_scrape_is_refused(body: Any, at: tuple[Any, ...]) -> None:
    assert refused(wire_scraping.scrape, body) == [at]


@pytest.mark.parametrize("more", [{"instructions": "the price"}, {"response_format": {}}])
def test_3_6_structured_data_is_refused_and_the_text_is_there(more: dict[str, Any]) -> None:
    scraped = Scraped(place=PLACE, markdown="# A", images=(Image(url="u"),))
    made = wire_scraping.data_space(scraped, wire_scraping.scrape(more))
    assert made.markdown == "# A"
    assert made.structured is not None
    assert (made.structured.success, made.structured.data) == (False, None)
    assert "language model" in made.structured.error
    assert made.images is None, "they were not asked for"


def test_3_6_a_cookie_goes_in_and_comes_out() -> None:
    body = {"cookies": [{**COOKIE, "expirationDate": 9.5, "sameSite": "lax", "storeId": "0"}]}
    (taken,) = wire_cookies.set_cookies(body)
    assert taken == {**COOKIE, "secure": False, "expires": 9.5, "sameSite": "Lax"}
    (shown,) = msgspec.to_builtins(wire_cookies.cookies([taken]).cookies)
    assert shown == {
        **taken,
        "expirationDate": 9.5,
        "session": False,
        "hostOnly": True,
        "partitionKey": None,
    }
    assert wire_cookies.set_cookies({"cookies": [shown]}) == [taken]


@pytest.mark.parametrize(
    ("more", "made"),
    [
        ({}, {"expires": -1.0}),
        ({"expires": -1}, {"expires": -1.0}),
        ({"expires": -5}, {"expires": -1.0}),
        ({"expires": 7, "expirationDate": 9}, {"expires": 7.0}),
        ({"expires": 7, "session": True}, {"expires": -1.0}),
        ({"sameSite": "no_restriction"}, {"sameSite": "None"}),
        ({"sameSite": "unspecified"}, {"expires": -1.0}),
        ({"domain": ".a.test"}, {"domain": ".a.test"}),
        ({"domain": ".a.test", "hostOnly": True}, {"domain": "a.test"}),
        ({"partitionKey": "https://b.test"}, {"partitionKey": "https://b.test"}),
        ({"secure": True, "httpOnly": True}, {"secure": True, "httpOnly": True}),
    ],
)
def test_3_6_cookies_of_all_kinds_are_taken(more: dict[str, Any], made: dict[str, Any]) -> None:
    (taken,) = wire_cookies.set_cookies({"cookies": [{**COOKIE, **more}]})
    assert {name: taken[name] for name in made} == made
    assert ("sameSite" in taken) == ("sameSite" in made)


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"name": None}, "name"),
        ({"value": 5}, "value"),
        ({"value": "x" * 4097}, "value"),
        ({"domain": ""}, "domain"),
        ({"domain": "."}, "domain"),
        ({"httpOnly": "no"}, "httpOnly"),
        ({"expires": "tomorrow"}, "expires"),
        ({"expires": True}, "expires"),
        ({"expires": 1e300}, "expires"),
        ({"expires": 10**40}, "expires"),
        ({"sameSite": "Sometimes"}, "sameSite"),
        ({"sameSite": 5}, "sameSite"),
    ],
)
def test_3_6_an_unsound_cookie_is_refused(more: dict[str, Any], at: str) -> None:
    body = {"cookies": [COOKIE, {**COOKIE, **more}]}
    assert refused(wire_cookies.set_cookies, body) == [("cookies", 1, at)]


@pytest.mark.parametrize("body", [None, [], {}, {"cookies": None}, {"cookies": [COOKIE] * 1001}])
def test_3_6_unsound_cookies_are_refused(body: Any) -> None:
    assert refused(wire_cookies.set_cookies, body)
