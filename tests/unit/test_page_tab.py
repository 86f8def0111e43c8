"""What a tab still waits for, as its page tells of requests and documents."""

from typing import Any

import pytest

from sessions.runtimes.browser.page.tab import Tab

ABORTED = "net::ERR_ABORTED"


class Page:
    """It tells what it is told to tell."""

    def __init__(self) -> None:
        self.main_frame = object()
        self._handlers: dict[str, Any] = {}

    def on(self, event: str, handler: Any) -> None:
        self._handlers[event] = handler

    def tell(self, event: str, what: object) -> None:
        self._handlers[event](what)


class Request:
    """A request of a document."""

    resource_type = "document"

    def __init__(self, frame: object, failure: str | None = None) -> None:
        self.frame = frame
        self.failure = failure

    def is_navigation_request(self) -> bool:
        return True


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.fixture
def tab(page: Page) -> Tab:
    given: Any = page
    return Tab(0, given)


async def test_the_next_document_is_waited_for_until_the_page_shows_it(
    page: Page, tab: Tab
) -> None:
    request = Request(page.main_frame)
    page.tell("request", request)
    # A renderer that has yet to start may have to show what has come long before.
    page.tell("requestfinished", request)
    assert tab.busy
    page.tell("framenavigated", page.main_frame)
    assert not tab.busy


async def test_a_document_that_is_shown_is_waited_for_until_it_is_whole(
    page: Page, tab: Tab
) -> None:
    request = Request(page.main_frame)
    page.tell("request", request)
    page.tell("framenavigated", page.main_frame)
    assert tab.busy
    page.tell("requestfinished", request)
    assert not tab.busy


@pytest.mark.parametrize(("failure", "waits"), [(ABORTED, False), ("net::ERR_FAILED", True)])
async def test_after_a_failure_comes_a_page_unless_there_was_to_be_none(
    page: Page, tab: Tab, failure: str, waits: bool
) -> None:
    request = Request(page.main_frame, failure)
    page.tell("request", request)
    page.tell("requestfailed", request)
    assert tab.busy is waits
    page.tell("framenavigated", page.main_frame)
    assert not tab.busy


async def test_the_document_of_a_frame_is_no_next_one(page: Page, tab: Tab) -> None:
    request = Request(object())
    page.tell("request", request)
    page.tell("requestfinished", request)
    assert not tab.busy


async def test_whoever_begins_anew_waits_for_nothing_of_before(page: Page, tab: Tab) -> None:
    page.tell("request", Request(page.main_frame))
    tab.begin()
    assert not tab.busy
