"""What the driver's errors mean for a caller (section 3.6: a failed action says why)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.browser.page.downloads import NAME_MAX, harmless
from sessions.runtimes.browser.page.outcomes import (
    FAILED,
    INVALID,
    TIMEOUT,
    clean,
    first_line,
    has_moved,
    is_gone,
    unusable,
)

anything = st.text(st.characters(exclude_categories=()), max_size=200)

COVERED = """ElementHandle.click: Timeout 900ms exceeded.
Call log:
  - attempting click action
    - element is visible, enabled and stable
    - <div id="veil"></div> intercepts pointer events
"""
HIDDEN = """ElementHandle.click: Timeout 900ms exceeded.
Call log:
  - attempting click action
    - element is not visible
"""


@pytest.mark.parametrize(
    ("message", "is_timeout", "why", "error_type"),
    [
        (COVERED, True, 'the element is covered by <div id="veil"></div>', FAILED),
        (HIDDEN, True, "the element is not visible", FAILED),
        ("Timeout 900ms exceeded.", True, "it was not done within 0.9 s", TIMEOUT),
        (
            "Page.goto: net::ERR_TOO_MANY_REDIRECTS at http://x/",
            False,
            "the site redirects without an end",
            FAILED,
        ),
        (
            "Page.goto: net::ERR_SOMETHING_NEW at http://x/",
            False,
            "the page could not be loaded (ERR_SOMETHING_NEW)",
            FAILED,
        ),
        ('Keyboard.press: Unknown key: "X"', False, 'Unknown key: "X"', INVALID),
        (
            "Locator.count: Unexpected token '!' while parsing css selector",
            False,
            "the selector is not valid: Unexpected token '!' while parsing css selector",
            INVALID,
        ),
        ("ElementHandle.click: Target crashed", False, "the page has crashed", FAILED),
        (
            "ElementHandle.click: Element is not attached to the DOM",
            False,
            "the page changed while this was done",
            FAILED,
        ),
        ("Page.goto: something else\nCall log", False, "something else", FAILED),
        ("", False, "it failed", FAILED),
    ],
)
def test_an_error_is_a_sentence_and_a_class(message, is_timeout, why, error_type):
    refusal = unusable(message, is_timeout, 0.9)
    assert str(refusal).startswith(why)
    assert refusal.error_type == error_type


def test_what_is_gone_is_told_from_what_has_moved():
    gone = "Page.evaluate: Target page, context or browser has been closed"
    moved = "Page.evaluate: Execution context was destroyed, most likely because of a navigation"
    assert is_gone(gone)
    assert not has_moved(gone)
    assert has_moved(moved)
    assert not is_gone(moved)


@given(anything, st.integers(1, 40))
def test_a_text_of_a_page_can_be_stored(text, limit):
    line = clean(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert line.encode().decode() == line


@given(anything)
def test_a_first_line_can_be_stored(text):
    line = first_line(text)
    assert line.encode().decode() == line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("suggested", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "download"),
        ("", "download"),
        (".bashrc", "bashrc"),
        ("a\x00b\n.txt", "a_b_.txt"),
        ("C:\\x\\y.exe", "C__x_y.exe"),
        ("a" * 500 + ".txt", "a" * (NAME_MAX - 4) + ".txt"),
    ],
)
def test_a_download_has_a_harmless_name(suggested, name):
    assert harmless(suggested) == name


@given(anything)
def test_no_name_leaves_its_folder(suggested):
    name = harmless(suggested)
    assert name not in {"", ".", ".."}
    assert not name.startswith(".")
    assert "/" not in name
    assert "\0" not in name
    assert 0 < len(name.encode()) <= NAME_MAX
