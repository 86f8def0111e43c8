"""Handlers of what a session is debugged and watched by; the websockets are in another file."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from sessions.caller import SERVICE
from sessions.dialects.notte import viewer, wire_debug
from sessions.dialects.notte.debug_addresses import check_link, sockets, viewer_url
from sessions.dialects.queries import integer
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import BROWSERS
from sessions.web.auth import authorised

TABS_MAX: Final = 10_000


async def info(request: web.Request) -> web.Response:
    """Where the session is debugged, as a whole and tab by tab (section 3.6)."""
    who = authorised(request, "sessions:write")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    place = await request.app[BROWSERS].place(state.id, who)
    viewer_at, ws = viewer_url(request, state), sockets(request, state)
    return json_answer(wire_debug.debug(place, viewer_at, ws))


async def tab(request: web.Request) -> web.Response:
    """Where one tab is debugged, by its place in the list; the first where none is named."""
    who = authorised(request, "sessions:write")
    index = integer(request.query, "tab_idx", 0, 0, TABS_MAX)
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    place = await request.app[BROWSERS].place(state.id, who)
    if index >= len(place.tabs):
        raise NotFound("The browser has no such tab.")
    viewer_at, ws = viewer_url(request, state), sockets(request, state)
    return json_answer(wire_debug.tab_debug(place.tabs[index], viewer_at, ws))


async def view(request: web.Request) -> web.Response:
    """A page that shows what the browser shows."""
    state = await session_of_kind(request, check_link(request), SERVICE, "browser")
    ws = None if state.ended else sockets(request, state)
    return web.Response(
        text=viewer.page(state.id, ws), content_type="text/html", headers=viewer.HEADERS
    )
