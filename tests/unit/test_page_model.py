"""What a page says of itself, made into actions (sections 2.2 and 3.6)."""

import pytest

from sessions.runtimes.browser.page.model import (
    Features,
    Numbering,
    RawDocument,
    RawElement,
    RawParam,
    category_of,
    description_of,
    known_of,
)
from sessions.runtimes.browser.port import Viewport

VIEW = Viewport(scroll_x=0, scroll_y=0, width=800, height=600, total_width=800, total_height=900)
CATEGORIES = {
    "homepage",
    "search-results",
    "data-feed",
    "item",
    "auth",
    "form",
    "manage-cookies",
    "payment",
    "captcha",
    "other",
}


def element(key, role="link", type="click", **fields):
    fields = {"label": f"Name {key}", "hosts": (), "to": "", "kind": "", "param": None, **fields}
    return RawElement(
        key=key,
        sign=f"sign {key}",
        role=role,
        type=type,
        where="Page",
        css=f"#e{key}",
        xpath=f'//*[@id="e{key}"]',
        **fields,
    )


def document(*elements, token="one", **fields):
    fields = {"title": "A page", "heading": "", "about": "", "total": len(elements), **fields}
    return RawDocument(token=token, view=VIEW, features=Features(), elements=elements, **fields)


def ids(numbering, *documents):
    return [known.action.id for one in documents for known in known_of(numbering, one, ())]


def test_ids_say_the_role_and_count_each_role_for_itself():
    numbering = Numbering()
    numbering.begin("page")
    page = document(
        element(1), element(2, "button"), element(3, "input", "fill"), element(4), element(5)
    )
    assert ids(numbering, page) == ["L1", "B1", "I1", "L2", "L3"]


def test_an_element_keeps_its_id_while_the_page_is_there():
    numbering = Numbering()
    numbering.begin("page")
    assert ids(numbering, document(element(1), element(2), element(3))) == ["L1", "L2", "L3"]
    numbering.begin("page")
    assert ids(numbering, document(element(3), element(9), element(1))) == ["L3", "L4", "L1"]
    numbering.begin("another page")
    assert ids(numbering, document(element(3))) == ["L1"]


def test_equal_keys_of_two_frames_are_two_elements():
    numbering = Numbering()
    numbering.begin("page")
    assert ids(numbering, document(element(1)), document(element(1), token="frame")) == ["L1", "L2"]


def test_an_element_that_becomes_a_button_has_a_buttons_id():
    numbering = Numbering()
    numbering.begin("page")
    assert ids(numbering, document(element(1)), document(element(1, "button"))) == ["L1", "B1"]


def test_a_selector_goes_through_frames_and_shadow_roots():
    numbering = Numbering()
    raw = element(1, "button", hosts=("x-app", "x-card"))
    (known,) = known_of(numbering, document(raw), ("css=#frame",))
    selector = known.action.selector
    assert selector.playwright == "css=x-app >> css=x-card >> css=#e1"
    assert selector.frames == ("css=#frame",)
    assert selector.in_shadow_root


def test_an_input_has_one_parameter_and_nothing_else_has():
    field = element(1, "input", "fill", param=RawParam("value", "str", "", ()))
    choice = element(
        2, "input", "select_dropdown_option", param=RawParam("value", "str", "a", ("a", "b"))
    )
    known = known_of(Numbering(), document(field, choice, element(3)), ())
    first, second, link = (one.action.param for one in known)
    assert first is not None
    assert first.default is None
    assert second is not None
    assert second.values == ("a", "b")
    assert second.default == "a"
    assert link is None


@pytest.mark.parametrize(
    ("url", "features", "actions", "category"),
    [
        ("https://x.org/", {}, 5, "homepage"),
        ("https://x.org/", {"passwords": 1}, 5, "auth"),
        ("https://x.org/login", {"passwords": 1, "fields": 9}, 12, "auth"),
        ("https://x.org/search?q=a", {"items": 9}, 40, "search-results"),
        ("https://x.org/p/1", {"buy": True}, 60, "item"),
        ("https://x.org/pay", {"cards": 2, "fields": 5}, 9, "payment"),
        ("https://x.org/checkout", {}, 9, "payment"),
        ("https://x.org/a", {"captchas": 1}, 1, "captcha"),
        ("https://x.org/a", {"captchas": 1, "passwords": 1, "items": 20}, 30, "auth"),
        ("https://x.org/", {"cookies": True}, 30, "manage-cookies"),
        ("https://x.org/contact", {"fields": 4}, 30, "form"),
        ("https://x.org/news", {"items": 30}, 30, "data-feed"),
        ("https://x.org/news", {}, 30, "other"),
        ("about:blank", {}, 0, "other"),
    ],
)
def test_the_category_is_what_is_most_telling(url, features, actions, category):
    assert category in CATEGORIES
    assert category_of(url, Features(**features), actions) == category


def test_a_description_counts_and_says_what_was_left_out():
    page = document(element(1), element(2, "button"), heading="Hello", about="All of it.", total=9)
    shown = known_of(Numbering(), page, ())
    assert description_of(page, shown, 9) == (
        'A page: 1 link, 1 button. Its heading is "Hello". 7 more things can be done here. '
        "All of it."
    )


def test_a_page_of_nothing_has_a_description_too():
    assert description_of(document(title=""), [], 0) == (
        "A page without a title: nothing to act on."
    )
