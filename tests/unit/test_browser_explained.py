"""An action that led to a place that is not open has failed; kept addresses carry no login."""

import pytest

from sessions.runtimes.browser.exchanges import shown
from sessions.runtimes.browser.explained import ERROR_TYPE, explained
from sessions.runtimes.browser.port import Done, Place, Viewport

VIEW = Viewport(scroll_x=0, scroll_y=0, width=1, height=1, total_width=1, total_height=1)
SHUT = "http://shut.example/"


class Ways:
    """One place was not reached, after mark 3."""

    def trouble(self, url: str, mark: int = 0) -> str:
        return "it is shut" if url == SHUT and mark <= 3 else ""

    def last_trouble(self, mark: int = 0) -> str:
        return "the last one is shut" if mark <= 3 else ""


def done(at: str, *, success: bool = True, message: str = "said by the browser") -> Done:
    place = Place(url=at, title="", tabs=(), viewport=VIEW)
    return Done(success=success, message=message, place=place)


@pytest.mark.parametrize(
    ("was", "url", "mark", "message"),
    [
        (done(SHUT), SHUT, 3, "it is shut"),
        (done(SHUT), "http://elsewhere.example/", 3, "it is shut"),
        (done(SHUT), "", 3, "it is shut"),
        (done("chrome-error://chromewebdata/"), SHUT, 3, "it is shut"),
        (done("chrome-error://chromewebdata/"), "http://b/", 3, "the last one is shut"),
        (done("http://a/", success=False), SHUT, 3, "it is shut"),
        (
            done("http://a/", success=False, message="the proxy does not connect to the site"),
            "http://b/",
            3,
            "the last one is shut",
        ),
    ],
)
def test_the_reason_is_the_guards(was: Done, url: str, mark: int, message: str) -> None:
    now = explained(was, url, Ways(), mark)
    assert (now.success, now.message, now.error_type) == (False, message, ERROR_TYPE)
    assert now.place is was.place


@pytest.mark.parametrize(
    ("was", "mark"),
    [
        (done("http://a/"), 0),
        (done("http://a/", success=False), 0),
        (done("https://shut.example/"), 0),
        (done(SHUT), 4),
        (done(SHUT, success=False), 4),
    ],
)
def test_what_has_nothing_to_do_with_it_stays_as_it_is(was: Done, mark: int) -> None:
    assert explained(was, "http://b/", Ways(), mark) is was


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:secret@a.example:8/x?y#z", "http://a.example:8/x?y"),
        ("https://a.example/p@q", "https://a.example/p@q"),
        ("http://a.example/" + "x" * 9_000, "http://a.example/" + "x" * 4_079),
    ],
)
def test_an_address_is_kept_without_a_login(url: str, expected: str) -> None:
    assert shown(url) == expected
