"""The debugger's protocol, cut down to one context (contract section 3.9)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.runtimes.browser.cdp_filter import Filter
from sessions.runtimes.browser.cdp_messages import OWN_IDS, BadMessage

OURS, OTHERS = "context-1", "context-2"
FOLDER = "/data/browsers/files/one"


class Wire:
    """A filter between a client and a browser, whose messages the test says."""

    def __init__(self) -> None:
        self.filter = Filter(OURS, FOLDER)
        self.to_client: list[dict[str, Any]] = []
        self.to_browser: list[dict[str, Any]] = []
        self.sort(self.filter.begin())

    def sort(self, out: list[Any]) -> None:
        for each in out:
            place = self.to_client if each.to == "client" else self.to_browser
            place.append(json.loads(each.text))

    def client(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """The client asks; what it is answered at once, or else what the browser is asked."""
        before = len(self.to_client), len(self.to_browser)
        said: dict[str, Any] = {"id": 7, "method": method, "params": params}
        self.sort(self.filter.from_client(json.dumps(said | _in(session))))
        answers = [each for each in self.to_client[before[0] :] if each.get("id") == 7]
        return (answers or self.to_browser[before[1] :] or [{}])[0]

    def browser(self, method: str, session: str = "", **params: Any) -> list[dict[str, Any]]:
        """The browser tells; what the client hears of it."""
        before = len(self.to_client)
        said: dict[str, Any] = {"method": method, "params": params}
        self.sort(self.filter.from_browser(json.dumps(said | _in(session))))
        return self.to_client[before:]

    def answer(self, number: int, session: str = "", **result: Any) -> list[dict[str, Any]]:
        """The browser answers; what the client hears of it."""
        before = len(self.to_client)
        said: dict[str, Any] = {"id": number, "result": result}
        self.sort(self.filter.from_browser(json.dumps(said | _in(session))))
        return self.to_client[before:]

    def target(self, name: str, context: str = OURS, kind: str = "page") -> list[dict[str, Any]]:
        return self.browser("Target.targetCreated", targetInfo=info(name, context, kind))

    def attached(self, name: str, context: str = OURS, session: str = "") -> list[dict[str, Any]]:
        return self.browser(
            "Target.attachedToTarget",
            session,
            sessionId=f"on-{name}",
            targetInfo=info(name, context),
            waitingForDebugger=False,
        )


def info(name: str, context: str, kind: str = "page") -> dict[str, Any]:
    return {"targetId": name, "type": kind, "browserContextId": context, "url": "about:blank"}


def _in(session: str) -> dict[str, str]:
    return {"sessionId": session} if session else {}


@pytest.fixture
def wire() -> Wire:
    """Two pages, one of them another session's; the client is on its own."""
    wire = Wire()
    wire.target("mine")
    wire.target("theirs", OTHERS)
    wire.attached("mine")
    return wire


def test_only_the_own_targets_are_seen(wire: Wire) -> None:
    assert wire.client("Target.setDiscoverTargets", discover=True)["result"] == {}
    told = [each["params"]["targetInfo"]["targetId"] for each in wire.to_client if "params" in each]
    assert told.count("theirs") == 0
    assert wire.target("theirs-too", OTHERS) == []
    assert wire.browser("Target.targetInfoChanged", targetInfo=info("theirs", OTHERS)) == []
    assert wire.browser("Target.targetDestroyed", targetId="theirs") == []
    assert [each["method"] for each in wire.target("mine-too")] == ["Target.targetCreated"]
    listed = wire.client("Target.getTargets")["result"]["targetInfos"]
    assert [each["targetId"] for each in listed] == ["mine", "mine-too"]
    assert wire.client("Target.getBrowserContexts")["result"] == {"browserContextIds": [OURS]}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("Target.attachToTarget", {"targetId": "theirs", "flatten": True}),
        ("Target.getTargetInfo", {"targetId": "theirs"}),
        ("Target.closeTarget", {"targetId": "theirs"}),
        ("Target.activateTarget", {"targetId": "theirs"}),
        ("Target.autoAttachRelated", {"targetId": "theirs", "waitForDebuggerOnStart": True}),
        ("Target.detachFromTarget", {"sessionId": "on-theirs"}),
        ("Target.detachFromTarget", {"sessionId": ""}),
        ("Target.detachFromTarget", {"sessionId": ["on-mine"]}),
        ("Target.detachFromTarget", {}),
        ("Target.closeTarget", {"targetId": None}),
        ("Target.closeTarget", {"targetId": ["mine"]}),
        ("Target.createTarget", {"url": "about:blank", "browserContextId": OTHERS}),
        ("Target.createTarget", {"url": "chrome://crash"}),
        ("Target.disposeBrowserContext", {"browserContextId": OTHERS}),
        ("Target.disposeBrowserContext", {"browserContextId": OURS}),
        ("Target.createBrowserContext", {}),
        ("Target.exposeDevToolsProtocol", {"targetId": "mine"}),
        ("Target.sendMessageToTarget", {"message": "{}", "targetId": "theirs"}),
        ("Target.setRemoteLocations", {"locations": []}),
        ("Storage.getCookies", {"browserContextId": OTHERS}),
        ("Browser.grantPermissions", {"permissions": [], "browserContextId": OTHERS}),
        ("Browser.close", {}),
        ("Browser.crash", {}),
        ("Browser.crashGpuProcess", {}),
        ("Browser.getBrowserCommandLine", {}),
        ("Browser.setWindowBounds", {"windowId": 1, "bounds": {}}),
        ("SystemInfo.getProcessInfo", {}),
        ("Tracing.start", {}),
        ("Tethering.bind", {"port": 1}),
        ("Extensions.loadUnpacked", {"path": "/"}),
        ("Fetch.enable", {}),
        ("Runtime.evaluate", {"expression": "1"}),
        ("Nonsense", {}),
    ],
)
def test_the_browser_as_a_whole_is_not_reached(
    wire: Wire, method: str, params: dict[str, Any]
) -> None:
    asked = len(wire.to_browser)
    answer = wire.client(method, **params)
    assert answer["error"]["message"]
    assert len(wire.to_browser) == asked


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("Page.navigate", {"url": "file:///etc/passwd"}),
        ("Page.navigate", {"url": " \x01fi\tle:///etc/passwd"}),
        ("Page.navigate", {"url": "CHROME://crash"}),
        ("Page.navigate", {"url": "view-source:http://a/"}),
        ("Page.navigate", {"url": "javascript:1"}),
        ("Page.navigate", {"url": "devtools://devtools/bundled/inspector.html"}),
        ("Page.navigate", {"url": ["http://a/"]}),
        ("Network.loadNetworkResource", {"url": "file:///etc/passwd", "options": {}}),
        ("Fetch.continueRequest", {"requestId": "1", "url": "file:///etc/passwd"}),
        ("DOM.setFileInputFiles", {"files": ["/etc/passwd"]}),
        ("DOM.setFileInputFiles", {"files": ["../../other/uploads/x"]}),
        ("DOM.setFileInputFiles", {"files": [f"{FOLDER}/uploads/../../other/x"]}),
        ("DOM.setFileInputFiles", {"files": [f"{FOLDER}/uploads"]}),
        ("DOM.setFileInputFiles", {"files": [7]}),
        ("DOM.setFileInputFiles", {}),
        ("Input.dispatchDragEvent", {"type": "drop", "data": {"files": ["/etc/passwd"]}}),
        ("Storage.getCookies", {"browserContextId": OTHERS}),
        ("Target.attachToTarget", {"targetId": "mine", "flatten": True}),
        ("Target.createTarget", {"url": "about:blank"}),
        ("Browser.close", {}),
        ("Browser.getWindowForTarget", {"targetId": "theirs"}),
        ("Emulation.removeScreen", {"screenId": "1"}),
        ("Memory.simulatePressureNotification", {"level": "critical"}),
        ("Tracing.start", {}),
        ("PWA.install", {}),
        ("FileSystem.getDirectory", {}),
    ],
)
def test_a_page_is_no_way_out(wire: Wire, method: str, params: dict[str, Any]) -> None:
    asked = len(wire.to_browser)
    answer = wire.client(method, "on-mine", **params)
    assert answer["error"]["message"]
    assert answer["sessionId"] == "on-mine"
    assert len(wire.to_browser) == asked


def test_what_a_page_is_for_passes_as_it_is(wire: Wire) -> None:
    for method, params in (
        ("Page.navigate", {"url": "http://a.example/?b=1#c"}),
        ("Page.navigate", {"url": "about:blank"}),
        ("Runtime.evaluate", {"expression": "1+1"}),
        ("Fetch.continueRequest", {"requestId": "1"}),
        ("Input.dispatchDragEvent", {"type": "drop", "data": {"items": []}}),
    ):
        asked = wire.client(method, "on-mine", **params)
        assert asked == {"id": 7, "method": method, "params": params, "sessionId": "on-mine"}
    assert wire.answer(7, "on-mine", value=2)[0]["result"] == {"value": 2}
    assert wire.browser("Page.loadEventFired", "on-mine", timestamp=1)[0]["params"] == {
        "timestamp": 1
    }


def test_files_are_those_of_the_session(wire: Wire) -> None:
    given = ["a.txt", f"{FOLDER}/downloads/b", f"{FOLDER}/uploads/id/c"]
    asked = wire.client("DOM.setFileInputFiles", "on-mine", files=given, nodeId=3)
    assert asked["params"] == {
        "files": [f"{FOLDER}/uploads/a.txt", f"{FOLDER}/downloads/b", f"{FOLDER}/uploads/id/c"],
        "nodeId": 3,
    }


def test_where_downloads_go_is_not_the_clients_to_say(wire: Wire) -> None:
    asked = len(wire.to_browser)
    for session, method in (("", "Browser"), ("on-mine", "Page"), ("on-mine", "Browser")):
        answer = wire.client(
            f"{method}.setDownloadBehavior", session, behavior="allow", downloadPath="/etc"
        )
        assert answer["result"] == {}
    assert len(wire.to_browser) == asked


def test_what_means_the_whole_browser_is_given_the_context(wire: Wire) -> None:
    for method in ("Storage.getCookies", "Storage.clearCookies", "Browser.resetPermissions"):
        assert wire.client(method)["params"] == {"browserContextId": OURS}
    asked = wire.client("Target.createTarget", url="about:blank")
    assert asked["params"] == {"url": "about:blank", "browserContextId": OURS}


def test_a_name_that_is_given_twice_means_one_thing_to_both_readers(wire: Wire) -> None:
    raw = (
        '{"id":7,"method":"Page.navigate","sessionId":"on-mine",'
        '"params":{"url":"file:///etc/passwd","url":"http://a/"}}'
    )
    out = wire.filter.from_client(raw)
    assert [each.text.count(b'"url"') for each in out] == [1]
    assert b"http://a/" in out[0].text


def test_other_sessions_of_the_debugger_do_not_exist(wire: Wire) -> None:
    assert wire.client("Page.enable", "on-theirs")["error"]["code"] == -32001
    assert wire.browser("Page.loadEventFired", "on-theirs", timestamp=1) == []
    asked = len(wire.to_browser)
    assert wire.attached("theirs", OTHERS) == []
    assert [each["method"] for each in wire.to_browser[asked:]] == [
        "Runtime.runIfWaitingForDebugger",
        "Target.detachFromTarget",
    ]


def test_frames_and_workers_of_a_page_are_the_clients(wire: Wire) -> None:
    assert wire.attached("frame", OURS, "on-mine")
    assert wire.client("Runtime.enable", "on-frame")["sessionId"] == "on-frame"
    told = wire.browser("Target.detachedFromTarget", "on-mine", sessionId="on-frame")
    assert told[0]["method"] == "Target.detachedFromTarget"
    assert wire.client("Runtime.enable", "on-frame")["error"]["code"] == -32001


def test_attaching_to_all_means_all_of_the_context(wire: Wire) -> None:
    """A client takes what is there for attached when it is answered."""
    asked = len(wire.to_browser)
    attach = wire.client(
        "Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True
    )
    assert attach["method"] == "Target.attachToTarget"
    assert attach["params"] == {"targetId": "mine", "flatten": True}
    assert attach["id"] >= OWN_IDS
    assert len(wire.to_browser) == asked + 1
    assert wire.attached("mine")[0]["method"] == "Target.attachedToTarget"
    assert wire.answer(attach["id"], sessionId="on-mine") == [{"id": 7, "result": {}}]
    asked = len(wire.to_browser)
    wire.target("popup")
    wire.target("worker", kind="worker")
    wire.target("theirs-too", OTHERS)
    assert [each["params"]["targetId"] for each in wire.to_browser[asked:]] == ["popup"]


def test_a_page_that_is_made_is_attached_before_that_is_told(wire: Wire) -> None:
    attach = wire.client("Target.setAutoAttach", autoAttach=True, flatten=True)
    wire.attached("mine")
    wire.answer(attach["id"], sessionId="on-mine")
    wire.client("Target.createTarget", url="about:blank")
    wire.target("new")
    attach = wire.to_browser[-1]
    assert wire.answer(7, targetId="new") == []
    assert wire.attached("new")
    assert wire.answer(attach["id"]) == [{"id": 7, "result": {"targetId": "new"}}]


def test_a_page_that_goes_while_it_is_attached_holds_nobody_up(wire: Wire) -> None:
    attach = wire.client("Target.setAutoAttach", autoAttach=True, flatten=True)
    wire.browser("Target.targetDestroyed", targetId="mine")
    failed = {"id": attach["id"], "error": {"code": -32000, "message": "no target"}}
    wire.sort(wire.filter.from_browser(json.dumps(failed)))
    assert wire.to_client[-1] == {"id": 7, "result": {}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "7",
        '{"id":1}',
        '{"id":"1","method":"a"}',
        '{"id":-1,"method":"a"}',
        f'{{"id":{OWN_IDS},"method":"a"}}',
        '{"id":1,"method":"a","params":[]}',
        '{"id":1,"method":1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_call_is_told_apart(wire: Wire, text: str) -> None:
    with pytest.raises(BadMessage):
        wire.filter.from_client(text)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_names = st.sampled_from(
    ["targetId", "url", "files", "data", "filter", "sessionId", "browserContextId", "discover"]
)
_methods = st.sampled_from(
    [
        "Target.setAutoAttach",
        "Target.setDiscoverTargets",
        "Target.getTargets",
        "Target.createTarget",
        "Target.detachFromTarget",
        "Target.closeTarget",
        "DOM.setFileInputFiles",
        "Input.dispatchDragEvent",
        "Page.navigate",
        "Storage.getCookies",
        "Browser.setDownloadBehavior",
    ]
)


@settings(max_examples=30, deadline=None)
@given(_methods, st.sampled_from(["", "on-mine", "on-theirs"]), st.dictionaries(_names, _values))
def test_any_parameters_are_passed_on_or_refused(
    method: str, session: str, params: dict[str, Any]
) -> None:
    wire = Wire()
    wire.target("mine")
    wire.attached("mine")
    wire.client(method, session, **params)
    for asked in wire.to_browser:
        assert asked["params"].get("browserContextId", OURS) == OURS
        assert asked["params"].get("targetId", "mine") == "mine"
