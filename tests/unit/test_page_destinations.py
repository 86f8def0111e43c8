"""Where a browser may be sent (section 3.6, goto): web pages, and nothing of the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.runtimes.browser.page.destinations import (
    URL_MAX,
    BadDestination,
    destination,
    told,
)

anything = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("asked", "gone_to"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("  http://example.org ", "http://example.org"),
        ("HTTP://example.org/", "HTTP://example.org/"),
        ("example.org", "https://example.org"),
        ("example.org:8080/path", "https://example.org:8080/path"),
        ("localhost:3000", "https://localhost:3000"),
        ("//example.org/x", "https://example.org/x"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("about:blank", "about:blank"),
        ("ABOUT:BLANK", "about:blank"),
    ],
)
def test_pages_of_the_web_can_be_visited(asked, gone_to):
    assert destination(asked) == gone_to


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "   ",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "chrome://crash",
        "devtools://devtools/bundled/inspector.html",
        "view-source:https://example.org",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,<h1>x",
        "blob:https://example.org/1",
        "ftp://example.org",
        "about:srcdoc",
        "about:blank#x",
        "http://",
        "http:///path",
        "http://exa mple:port/",
        "http://example.org:99999/",
        "http://example.org:0/",
        "https://[::1",
        "http://x/" + "y" * URL_MAX,
    ],
)
def test_nothing_else_can(asked):
    with pytest.raises(BadDestination):
        destination(asked)


@given(anything)
def test_what_is_gone_to_is_of_the_web_whatever_was_asked(asked):
    try:
        gone_to = destination(asked)
    except BadDestination:
        return
    assert gone_to == "about:blank" or gone_to.lower().startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://ada:secret@example.org/x", "https://example.org/x"),
        ("https://ada@example.org/x@y", "https://example.org/x@y"),
        ("https://example.org/@ada", "https://example.org/@ada"),
        ("https://example.org/", "https://example.org/"),
        ("http://a:b@[::1", "[::1"),
    ],
)
def test_an_address_is_told_without_user_and_password(url, said):
    assert told(url) == said


@given(anything, st.integers(1, 50))
def test_what_is_told_is_short_and_can_be_stored(url, limit):
    said = told(url, limit)
    assert len(said) <= limit
    assert said.encode().decode() == said


@given(st.from_regex(r"[a-z]{1,8}:[a-z0-9]{8,12}", fullmatch=True))
def test_no_password_is_told(user):
    said = told(f"https://{user}@example.org/path")
    assert said == "https://example.org/path"
