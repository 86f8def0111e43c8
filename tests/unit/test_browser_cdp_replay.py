"""A client that sets itself up in a page that runs on meanwhile (contract section 3.9)."""

import json
from typing import Any

import pytest

from sessions.runtimes.browser.cdp_filter import Filter
from sessions.runtimes.browser.cdp_replay import EVENTS_MAX

CONTEXT, SESSION = "context-1", "on-popup"
EMPTY, REAL, TREE, LISTEN = "loader-1", "loader-2", 11, 12


class Line:
    """A client that is attached to a popup; the test says what both sides say."""

    def __init__(self) -> None:
        self.filter = Filter(CONTEXT, "/data/files/one")
        self.filter.begin()
        self.attach()

    def attach(self) -> None:
        info = {"targetId": "popup", "type": "page", "browserContextId": CONTEXT, "url": ""}
        self.says("", method="Target.targetCreated", params={"targetInfo": info})
        attached = {"sessionId": SESSION, "targetInfo": info, "waitingForDebugger": False}
        self.says("", method="Target.attachedToTarget", params=attached)

    def says(self, session: str = SESSION, **said: Any) -> list[dict[str, Any]]:
        """The browser says this; what the client hears of it."""
        place = {"sessionId": session} if session else {}
        out = self.filter.from_browser(json.dumps(said | place))
        return [json.loads(each.text) for each in out if each.to == "client"]

    def asks(self, number: int, method: str, **params: Any) -> None:
        said = {"id": number, "method": method, "params": params, "sessionId": SESSION}
        (passed,) = self.filter.from_client(json.dumps(said))
        assert (passed.to, json.loads(passed.text)) == ("browser", said)

    def looks(self, url: str, loader: str) -> None:
        """The client asks for the document, and is shown this one."""
        self.asks(TREE, "Page.getFrameTree")
        frame = {"id": "popup", "url": url, "loaderId": loader}
        assert self.says(id=TREE, result={"frameTree": {"frame": frame}})

    def listens(self) -> None:
        self.asks(LISTEN, "Page.setLifecycleEventsEnabled", enabled=True)

    def tells(self, loader: str, name: str = "load") -> list[Any]:
        """The browser tells of a document; what the client hears."""
        event = {"frameId": "popup", "loaderId": loader, "name": name, "timestamp": 1}
        return heard(self.says(method="Page.lifecycleEvent", params=event))

    def answers(self, **said: Any) -> list[Any]:
        """The browser answers that the client is listening; what the client hears."""
        return heard(self.says(id=LISTEN, **(said or {"result": {}})))


def heard(told: list[dict[str, Any]]) -> list[Any]:
    """Answers by their numbers, and events by the document and what became of it."""
    return [
        (each["params"]["loaderId"], each["params"]["name"]) if "params" in each else each["id"]
        for each in told
    ]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def late(line: Line) -> Line:
    """A client was shown an empty document, and its call to listen is on its way."""
    line.looks("", EMPTY)
    line.listens()
    return line


@pytest.mark.parametrize("answer", [{"result": {}}, {"error": {"code": -1, "message": "no"}}])
def test_what_the_page_became_meanwhile_is_told_after_the_answer(
    late: Line, answer: dict[str, Any]
) -> None:
    """Before the answer a client takes it for what became of the empty document."""
    frame = {"id": "popup", "url": "http://a/", "loaderId": REAL}
    assert len(late.says(method="Page.frameNavigated", params={"frame": frame})) == 1
    assert late.tells(REAL, "commit") == late.tells(REAL, "load") == []
    assert late.answers(**answer) == [LISTEN, (REAL, "commit"), (REAL, "load")]
    assert late.tells(REAL, "networkIdle") == [(REAL, "networkIdle")]


def test_it_is_the_same_where_the_client_says_all_at_once(line: Line) -> None:
    line.asks(TREE, "Page.getFrameTree")
    line.listens()
    frame = {"id": "popup", "url": ":", "loaderId": EMPTY}
    assert line.says(id=TREE, result={"frameTree": {"frame": frame}})
    assert line.tells(REAL) == []
    assert line.answers() == [LISTEN, (REAL, "load")]


def test_what_became_of_the_empty_document_is_told_as_it_comes(late: Line) -> None:
    assert late.tells(EMPTY) == [(EMPTY, "load")]
    assert late.answers() == [LISTEN]
    assert late.tells(REAL) == [(REAL, "load")]


def test_a_client_that_was_shown_a_real_document_hears_all_as_it_comes(line: Line) -> None:
    line.looks("", EMPTY)
    line.looks("about:blank", REAL)
    line.listens()
    assert line.tells(REAL) == [(REAL, "load")]
    assert line.tells("loader-3") == [("loader-3", "load")]
    assert line.answers() == [LISTEN]


def test_a_client_that_was_shown_nothing_hears_all_as_it_comes(line: Line) -> None:
    line.asks(TREE, "Page.getFrameTree")
    line.listens()
    line.says(id=TREE, error={"code": -32000, "message": "no frame"})
    assert line.tells(REAL) == [(REAL, "load")]
    assert line.answers() == [LISTEN]


def test_a_client_that_listens_before_it_looks_hears_all_as_it_comes(line: Line) -> None:
    line.listens()
    assert line.tells(REAL) == [(REAL, "load")]
    assert line.answers() == [LISTEN]
    line.looks("", EMPTY)
    assert line.tells(REAL) == [(REAL, "load")]


def test_what_is_kept_is_bounded(late: Line) -> None:
    assert [late.tells(REAL) for _ in range(EVENTS_MAX)] == [[]] * EVENTS_MAX
    assert late.tells(REAL) == [(REAL, "load")]
    assert len(late.answers()) == 1 + EVENTS_MAX


def test_what_is_kept_is_over_with_its_session(late: Line) -> None:
    assert late.tells(REAL) == []
    assert late.says("", method="Target.detachedFromTarget", params={"sessionId": SESSION})
    late.attach()
    assert late.tells(REAL) == [(REAL, "load")]
    assert late.answers() == [LISTEN]
