"""What a page told of its document before its client was ready to hear it, told after; pure.

Chromium lets a new page run as soon as any of its debuggers says so, and one of them is the
service's own. So the page may have left its first, empty document while a client still sets itself
up: between the answer that showed the client that document and the call that lets it hear how
documents load. Chromium then tells of the document that is there now, but before it answers that
call, where a client takes it for what became of the empty one (Playwright does, and waits for the
load of a page that is loaded). After the answer it means what it says to every client.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sessions.runtimes.browser.cdp_messages import Call, Heard

EVENTS_MAX: Final = 1_000

_TREE: Final = "Page.getFrameTree"
_LISTEN: Final = "Page.setLifecycleEventsEnabled"
_EVENT: Final = "Page.lifecycleEvent"
_EMPTY: Final = frozenset({"", ":"})
"""Addresses of the document that a page has before it has been anywhere."""


class _Document(msgspec.Struct, rename={"loader": "loaderId"}):
    url: str = ""
    loader: str = ""


class _Tree(msgspec.Struct):
    frame: _Document = msgspec.field(default_factory=_Document)


class _Shown(msgspec.Struct, rename={"tree": "frameTree"}):
    tree: _Tree = msgspec.field(default_factory=_Tree)


class _Page:
    """What one session has been shown of its page, and has asked of it."""

    def __init__(self) -> None:
        self.looking: int | None = None
        self.listening: int | None = None
        """Numbers of the calls that are not answered yet."""
        self.empty = ""
        """The empty document that the client was shown last, if it was one."""
        self.kept: list[bytes] = []


class Replays:
    """Puts the answer first and what happened next after it; all else stays as it came."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def asked(self, call: Call) -> None:
        """The client asks this of a page."""
        if call.method == _TREE:
            self._pages.setdefault(call.session, _Page()).looking = call.id
        elif call.method == _LISTEN and call.session in self._pages:
            self._pages[call.session].listening = call.id

    def told(self, heard: Heard, raw: bytes) -> list[bytes]:
        """What the client is to hear now that a page says this."""
        page = self._pages.get(heard.session)
        if page is None:
            return [raw]
        if heard.id is None:
            return [] if _is_kept(page, heard, raw) else [raw]
        if heard.id == page.looking:
            page.looking, page.empty = None, _empty_of(heard)
        elif heard.id == page.listening:
            return [raw, *self._pages.pop(heard.session).kept]
        return [raw]

    def forget(self, session: str) -> None:
        """The session is over."""
        self._pages.pop(session, None)


def _is_kept(page: _Page, heard: Heard, raw: bytes) -> bool:
    """True for an event that comes too early, which is kept."""
    early = heard.method == _EVENT and page.listening is not None and page.empty
    # What became of the empty document is no news, and has to stay before the answer.
    if not early or len(page.kept) >= EVENTS_MAX:
        return False
    if _event.decode(heard.params).loader == page.empty:
        return False
    page.kept.append(raw)
    return True


def _empty_of(heard: Heard) -> str:
    shown = _shown.decode(heard.result).tree.frame
    return shown.loader if shown.url in _EMPTY and not heard.failed else ""


_shown: Final = msgspec.json.Decoder(_Shown)
_event: Final = msgspec.json.Decoder(_Document)
