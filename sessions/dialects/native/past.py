"""Answers as of a position or a time: decode `as_of`, ask the past, encode."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from eventstore.commit import START, Position
from sessions.caller import Caller
from sessions.dialects.native import queries, wire, wire_vms
from sessions.dialects.native.answers import SESSION_POSITION, json_answer, seen_position
from sessions.failure import Failure
from sessions.past import Page
from sessions.web.appkeys import PAST

AS_OF: Final = queries.AS_OF
_ONLY: Final = frozenset({AS_OF})
_LIVE: Final = frozenset({"wait", "timeout"})
_CURSOR: Final = re.compile(r"a(\d{1,18})\.(\d{1,18})", re.ASCII)


async def session(request: web.Request, who: Caller) -> web.Response:
    """A session as it was."""
    for name in _LIVE:
        if name in request.query:
            raise queries.bad(name, f"what was does not change: give {AS_OF} or {name}, not both")
    queries.known(request.query, _ONLY)
    position = await asked_position(request)
    state = await request.app[PAST].session(request.match_info["id"], position, who)
    return _one(wire.session_view(state), state.position, position)


async def vm(request: web.Request, who: Caller) -> web.Response:
    """A machine as it was."""
    queries.known(request.query, _ONLY)
    position = await asked_position(request)
    state = await request.app[PAST].vm(request.match_info["id"], position, who)
    return _one(wire_vms.vm_view(state), state.position, position)


async def sessions(request: web.Request, who: Caller) -> web.Response:
    """A page of sessions as they were, newest first."""
    wanted = queries.session_filter(request, who)
    position, page = await _page(request)
    found = await request.app[PAST].sessions(position, wanted, _one_more(page))
    items = [wire.session_view(state) for state in found[: page.limit]]
    following = _following(found, page, position)
    return _list(wire.SessionList(items=items, next=following, position=position))


async def vms(request: web.Request, who: Caller) -> web.Response:
    """A page of machines as they were, newest first."""
    wanted = queries.vm_filter(request, who)
    position, page = await _page(request)
    found = await request.app[PAST].vms(position, wanted, _one_more(page))
    items = [wire_vms.vm_view(state) for state in found[: page.limit]]
    following = _following(found, page, position)
    return _list(wire_vms.VmList(items=items, next=following, position=position))


async def asked_position(request: web.Request) -> Position:
    """The position that `as_of` means."""
    seen_position(request)
    past, text = request.app[PAST], request.query[AS_OF]
    if text.isascii() and text.isdigit():
        if len(text) > queries.POSITION_DIGITS_MAX or int(text) > past.head:
            detail = f"{AS_OF}: {text} is beyond the end of the log, which is {past.head}"
            raise Failure(400, "bad_position", detail)
        return Position(int(text))
    position = await past.position_at(queries.time_us(text, AS_OF))
    if position == START:
        raise Failure(400, "bad_time", f"{AS_OF}: {text} is before the first event")
    return position


async def _page(request: web.Request) -> tuple[Position, Page]:
    """The position that the list is read at, and the page of it.

    Time goes on: what a time meant for the first page, its cursor says for the next ones.
    """
    position = await asked_position(request)
    limit = queries.page_limit(request)
    cursor = request.query.get("cursor")
    if cursor is None:
        return position, Page(None, limit)
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise queries.bad("cursor", f"this is no cursor of a list with {AS_OF}", "bad_cursor")
    began = Position(int(parts[1]))
    timed = not request.query[AS_OF].isdigit()
    if began > position or (began < position and not timed):
        detail = f"this cursor is of a list as of {began}, not {position}"
        raise queries.bad("cursor", detail, "bad_cursor")
    return began, Page(int(parts[2]), limit)


def _one_more(page: Page) -> Page:
    return Page(page.before, page.limit + 1)


def _following(found: list[Any], page: Page, position: Position) -> str | None:
    if len(found) <= page.limit:
        return None
    return f"a{position}.{found[page.limit - 1].created}"


def _one(view: Any, revision: Position, position: Position) -> web.Response:
    headers = {"ETag": f'"{revision}"', SESSION_POSITION: str(position)}
    return json_answer(view, headers=headers)


def _list(body: wire.SessionList | wire_vms.VmList) -> web.Response:
    return json_answer(body, headers={SESSION_POSITION: str(body.position)})
