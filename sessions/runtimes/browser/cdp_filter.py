"""The protocol of the debugger, cut down to one context: others are neither seen nor reached.

One connection of a client speaks with a whole browser, in which other sessions live. This is pure:
it is told each message and says what to send on, and to whom.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from sessions.runtimes.browser import cdp_messages, cdp_rules
from sessions.runtimes.browser.cdp_messages import OWN_IDS, ROOT, Call, Heard, Out, Target
from sessions.runtimes.browser.cdp_replay import Replays
from sessions.runtimes.browser.cdp_rules import Refused

SESSIONS_MAX: Final = 1_000
WAITING_MAX: Final = 1_000

_NO_SESSION: Final = -32_001
_NOT_ALLOWED: Final = -32_000
_ATTACHED_BY_BROWSER: Final = frozenset({"page", "tab", "service_worker", "shared_worker"})


class _View:
    """A session of the whole browser, as a client sees it."""

    def __init__(self) -> None:
        self.discovers = False
        self.discovery: Any = None
        self.attaches = False
        self.attachment: Any = None
        self.attached: dict[str, str] = {}
        """Sessions by target, of those that were attached because of `attaches`."""
        self.attaching: set[str] = set()
        self.held: list[tuple[set[str], bytes]] = []
        """Answers that wait until these targets are attached."""


class Filter:
    """What passes between one client and the browser; `folder` is that of the session's files."""

    def __init__(self, context: str, folder: str) -> None:
        self._context = context
        self._folder = folder.rstrip("/")
        self._targets: dict[str, tuple[str, Raw]] = {}
        self._views: dict[str, _View] = {ROOT: _View()}
        self._pages: set[str] = set()
        """Sessions with targets of the context."""
        self._replays = Replays()
        self._created: dict[int, str] = {}
        """Calls that make a target, and the sessions that they came by."""
        self._browsers_wanted: set[int] = set()
        self._own: dict[int, tuple[str, str]] = {}
        """Own calls that attach: the session they were made by, and the target."""
        self._next = OWN_IDS
        self.ready = False
        """True once every target is known: a client is not heard before."""
        self._out: list[Out] = []

    def begin(self) -> list[Out]:
        """What to send first: the filter has to know every target."""
        self._ask(ROOT, "Target.setDiscoverTargets", {"discover": True, "filter": [{}]})
        return self._flushed()

    def from_client(self, text: str | bytes) -> list[Out]:
        """What becomes of a message of the client; raises BadMessage for what is none."""
        call, params = cdp_messages.call_of(text)
        try:
            if call.session in self._views:
                self._at_browser(call, params)
            elif call.session in self._pages:
                self._at_page(call, params)
            else:
                self._refuse(call, "Session with given id not found.", _NO_SESSION)
        except Refused as refused:
            self._refuse(call, str(refused))
        return self._flushed()

    def from_browser(self, text: str | bytes) -> list[Out]:
        """What becomes of a message of the browser; nothing for what is not the client's."""
        raw = text.encode() if isinstance(text, str) else text
        heard = cdp_messages.heard(raw)
        if heard.id is not None:
            self._answer(heard, raw)
        elif heard.session in self._views:
            self._event_of_browser(heard, raw)
        elif heard.session in self._pages:
            self._event_of_page(heard, raw)
        return self._flushed()

    # What a client asks.

    def _at_page(self, call: Call, params: dict[str, Any]) -> None:
        if call.method in cdp_rules.TAKEN_AS_DONE:
            self._reply(call, {})
            return
        if not cdp_rules.is_open_to_pages(call.method):
            raise Refused(f"{call.method} is not open to the debugger of a session.")
        cdp_rules.check(call.method, params, self._context, self._targets)
        self._check_session(call.method, params)
        if call.method == "Target.setAutoAttach":
            params = {**params, "flatten": True}
        self._pass(call, cdp_rules.with_files(call.method, params, self._folder))
        self._replays.asked(call)

    def _at_browser(self, call: Call, params: dict[str, Any]) -> None:
        if call.method in cdp_rules.TAKEN_AS_DONE:
            self._reply(call, {})
            return
        if call.method in _ANSWERED:
            _ANSWERED[call.method](self, call, params)
            return
        if call.method not in cdp_rules.OF_THE_BROWSER:
            raise Refused(f"{call.method} is not open to the debugger of a session.")
        cdp_rules.check(call.method, params, self._context, self._targets)
        self._check_session(call.method, params)
        if len(self._created) + len(self._browsers_wanted) >= WAITING_MAX:
            raise Refused("Too many calls wait for an answer.")
        if call.method in cdp_rules.WITH_CONTEXT:
            params = {**params, "browserContextId": self._context}
        if call.method == "Target.createTarget":
            self._created[call.id] = call.session
        elif call.method == "Target.attachToBrowserTarget":
            self._browsers_wanted.add(call.id)
        elif call.method == "Target.attachToTarget":
            params = {**params, "flatten": True}
        self._pass(call, params)

    def _check_session(self, method: str, params: dict[str, Any]) -> None:
        if method != "Target.detachFromTarget":
            return
        session = params.get("sessionId")
        known = self._pages | (self._views.keys() - {ROOT})
        if not isinstance(session, str) or session not in known:
            raise Refused("Session with given id not found.")

    def _targets_of(self, call: Call, params: dict[str, Any]) -> None:
        found = [
            info
            for kind, info in self._targets.values()
            if cdp_rules.matches(kind, params.get("filter"))
        ]
        self._reply(call, {"targetInfos": found})

    def _contexts_of(self, call: Call, _: dict[str, Any]) -> None:
        self._reply(call, {"browserContextIds": [self._context]})

    def _discover(self, call: Call, params: dict[str, Any]) -> None:
        view = self._views[call.session]
        begins = bool(params.get("discover")) and not view.discovers
        view.discovers, view.discovery = bool(params.get("discover")), params.get("filter")
        if begins:
            for kind, info in self._targets.values():
                if cdp_rules.matches(kind, view.discovery):
                    self._tell(call.session, "Target.targetCreated", {"targetInfo": info})
        self._reply(call, {})

    def _attach_all(self, call: Call, params: dict[str, Any]) -> None:
        """What a browser would do for all of its targets, done for those of the context."""
        view = self._views[call.session]
        view.attaches, view.attachment = bool(params.get("autoAttach")), params.get("filter")
        if not view.attaches:
            for session in view.attached.values():
                self._ask(call.session, "Target.detachFromTarget", {"sessionId": session})
            view.attached.clear()
        for target in list(self._targets):
            self._attach(call.session, target)
        self._hold(view, set(view.attaching), cdp_messages.answered(call, {}))

    # What the browser says.

    def _answer(self, heard: Heard, raw: bytes) -> None:
        number = heard.id or 0
        if number >= OWN_IDS:
            self.ready = True
            session, target = self._own.pop(number, (ROOT, ""))
            if target and session in self._views:
                self._release(self._views[session], target)
            return
        self._browsers_wanted.discard(number)
        session = self._created.pop(number, "?")
        view = self._views.get(session)
        if view is None or heard.failed:
            self._of_page(heard, raw)
            return
        # A client takes a target for attached once it is made.
        target = cdp_messages.about(heard.result).target_id
        if view.attaches and target not in view.attached and target in self._targets:
            self._attach(session, target)
        self._hold(view, {target} & view.attaching, raw)

    def _event_of_browser(self, heard: Heard, raw: bytes) -> None:
        about = cdp_messages.about(heard.params)
        match heard.method:
            case "Target.targetCreated" | "Target.targetInfoChanged":
                if about.target_info.browser_context_id == self._context:
                    self._know(heard, about.target_info)
            case "Target.targetDestroyed" | "Target.targetCrashed":
                if about.target_id in self._targets:
                    self._tell_views(self._targets[about.target_id][0], heard)
                if heard.method == "Target.targetDestroyed":
                    self._targets.pop(about.target_id, None)
            case "Target.attachedToTarget":
                self._attached(heard, raw)
            case "Target.detachedFromTarget":
                self._detached(about.session_id, raw)
            case _:
                pass  # of the browser as a whole, or of downloads of other sessions

    def _event_of_page(self, heard: Heard, raw: bytes) -> None:
        match heard.method:
            case "Target.attachedToTarget":
                self._attached(heard, raw)
            case "Target.detachedFromTarget":
                self._detached(cdp_messages.about(heard.params).session_id, raw)
            case _:
                self._of_page(heard, raw)

    def _of_page(self, heard: Heard, raw: bytes) -> None:
        for text in self._replays.told(heard, raw):
            self._to_client(text)

    def _know(self, heard: Heard, target: Target) -> None:
        self._targets[target.target_id] = target.type, cdp_messages.info_of(heard.params)
        self._tell_views(target.type, heard)
        if heard.method == "Target.targetCreated":
            for session in list(self._views):
                self._attach(session, target.target_id)

    def _attached(self, heard: Heard, raw: bytes) -> None:
        """A session that is the client's, or else one that must not be."""
        about = cdp_messages.about(heard.params)
        target, view = about.target_info, self._views.get(heard.session)
        ours = target.browser_context_id == self._context or view is None
        browser = target.type == "browser" and bool(self._browsers_wanted)
        if not (ours or browser) or len(self._pages) + len(self._views) >= SESSIONS_MAX:
            self._ask(about.session_id, "Runtime.runIfWaitingForDebugger", {})
            self._ask(heard.session, "Target.detachFromTarget", {"sessionId": about.session_id})
            return
        if browser:
            self._views[about.session_id] = _View()
        else:
            self._pages.add(about.session_id)
            if view is not None and target.target_id in view.attaching:
                view.attached[target.target_id] = about.session_id
        self._to_client(raw)

    def _detached(self, session: str, raw: bytes) -> None:
        known = session in self._pages or session in self._views
        self._pages.discard(session)
        self._replays.forget(session)
        if session != ROOT:
            self._views.pop(session, None)
        for view in self._views.values():
            view.attached = {at: each for at, each in view.attached.items() if each != session}
        if known:
            self._to_client(raw)

    def _attach(self, session: str, target: str) -> None:
        """Attach the client to a target, where it wants that and is not yet."""
        view, (kind, _) = self._views[session], self._targets[target]
        wanted = view.attaches and kind in _ATTACHED_BY_BROWSER
        if not wanted or not cdp_rules.matches(kind, view.attachment):
            return
        if target in view.attached or target in view.attaching:
            return
        view.attaching.add(target)
        params = {"targetId": target, "flatten": True}
        self._own[self._next] = session, target
        self._ask(session, "Target.attachToTarget", params)

    def _hold(self, view: _View, targets: set[str], answer: bytes) -> None:
        if targets and len(view.held) < WAITING_MAX:
            view.held.append((targets, answer))
        else:
            self._to_client(answer)

    def _release(self, view: _View, target: str) -> None:
        view.attaching.discard(target)
        for targets, answer in view.held:
            targets.discard(target)
            if not targets:
                self._to_client(answer)
        view.held = [each for each in view.held if each[0]]

    # What is sent.

    def _tell_views(self, kind: str, heard: Heard) -> None:
        for session, view in self._views.items():
            if view.discovers and cdp_rules.matches(kind, view.discovery):
                self._tell(session, heard.method, heard.params)

    def _tell(self, session: str, method: str, params: Any) -> None:
        self._to_client(cdp_messages.told(method, params, session))

    def _reply(self, call: Call, result: Any) -> None:
        self._to_client(cdp_messages.answered(call, result))

    def _refuse(self, call: Call, message: str, code: int = _NOT_ALLOWED) -> None:
        self._to_client(cdp_messages.refused(call, code, message))

    def _pass(self, call: Call, params: Any) -> None:
        # Written anew: what two readers may understand in two ways does not get through.
        asked = cdp_messages.asked(call.id, call.method, params, call.session)
        self._out.append(Out("browser", asked))

    def _ask(self, session: str, method: str, params: dict[str, Any]) -> None:
        self._out.append(Out("browser", cdp_messages.asked(self._next, method, params, session)))
        self._next += 1

    def _to_client(self, text: bytes) -> None:
        self._out.append(Out("client", text))

    def _flushed(self) -> list[Out]:
        out, self._out = self._out, []
        return out


_ANSWERED: Final = {
    "Target.getTargets": Filter._targets_of,
    "Target.getBrowserContexts": Filter._contexts_of,
    "Target.setDiscoverTargets": Filter._discover,
    "Target.setAutoAttach": Filter._attach_all,
}
