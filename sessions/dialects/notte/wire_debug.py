"""Shapes of the debugger, the recording and the logs of a session (contract section 3.6)."""

from __future__ import annotations

from typing import Final

import msgspec

from sessions.runtimes.browser.port import Exchange, Place
from sessions.runtimes.browser.port import Tab as BrowserTab

CLOSE_DONE: Final = 1000
CLOSE_ENDED: Final = 1001
CLOSE_UNREADABLE: Final = 1007
CLOSE_TOO_LARGE: Final = 1009
CLOSE_TRY_LATER: Final = 1013
REASON_BYTES_MAX: Final = 120


class Sockets(msgspec.Struct, frozen=True, kw_only=True):
    """Where the websockets of a session are; each address carries its own permission."""

    cdp: str
    recording: str
    logs: str


class TabView(msgspec.Struct, frozen=True, kw_only=True):
    """A tab as the contract shows it."""

    tab_id: int
    title: str
    url: str


class TabDebug(msgspec.Struct, frozen=True, kw_only=True):
    """Where one tab is debugged: the debugger of the session shows each of them."""

    metadata: TabView
    debug_url: str
    ws_url: str


class Debug(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `GET /sessions/{id}/debug`."""

    debug_url: str
    ws: Sockets
    tabs: list[TabDebug]


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the logs: one exchange with the net, instants in microseconds."""

    type: str = "network"
    at: int
    method: str
    url: str
    resource: str
    status: int | None
    error: str
    request_bytes: int
    response_bytes: int
    duration_ms: int


def debug(place: Place, viewer: str, ws: Sockets) -> Debug:
    """Where the session is debugged, as a whole and tab by tab."""
    return Debug(debug_url=viewer, ws=ws, tabs=[tab_debug(tab, viewer, ws) for tab in place.tabs])


def tab_debug(tab: BrowserTab, viewer: str, ws: Sockets) -> TabDebug:
    """Where one tab is debugged."""
    view = TabView(tab_id=tab.id, title=tab.title, url=tab.url)
    return TabDebug(metadata=view, debug_url=viewer, ws_url=ws.cdp)


def log_line(exchange: Exchange) -> str:
    """An exchange as a frame of the logs."""
    fields = msgspec.structs.asdict(exchange)
    return msgspec.json.encode(Logged(at=fields.pop("at_us"), **fields)).decode()
