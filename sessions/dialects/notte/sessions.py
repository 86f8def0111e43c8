"""Handlers of today's sessions: authorise, decode, call, encode (contract notte.md, section 3)."""

from __future__ import annotations

from aiohttp import web

from projections.folds.session import Session
from projections.views.lists import PAGE_MAX, SessionFilter, list_sessions
from sessions import ids
from sessions.caller import Caller
from sessions.dialects.notte import wire, wire_sessions, wire_start
from sessions.dialects.notte.debug_addresses import cdp_url, may_debug, viewer_url
from sessions.dialects.reading import answer, json_answer, optional_body, session_of_kind
from sessions.domain.rejections import AlreadyEnded
from sessions.version import version
from sessions.web.appkeys import BROWSERS, CLOCK_US, FOLLOWER, LOG, SESSIONS, VIEWS
from sessions.web.auth import authorised


async def start(request: web.Request) -> web.Response:
    """Start a session; its browser opens meanwhile, and whoever uses it waits for it."""
    who = authorised(request, "sessions:write")
    asked = wire_start.start(await optional_body(request))
    command = wire_start.to_command(asked, who.actor)
    state = await request.app[BROWSERS].create(ids.uuid7(), command, asked.opening, who)
    return shown(request, state, who)


async def status(request: web.Request) -> web.Response:
    """The session as it is now; to look at it is not to use it (section 3.2)."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    return shown(request, state, who)


async def stop(request: web.Request) -> web.Response:
    """The session, which is closed: also where it was before, unless it ended otherwise (3.8)."""
    who = authorised(request, "sessions:write")
    reason = wire_sessions.stop_reason(request.query)
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    try:
        state = await request.app[BROWSERS].stop(state.id, who, reason)
    except AlreadyEnded:
        state = await request.app[SESSIONS].get(state.id, who)
    if shape(request, state).status != "closed":
        raise AlreadyEnded(state.status)
    return shown(request, state, who)


async def list_(request: web.Request) -> web.Response:
    """A page of the caller's sessions, newest first (section 3.5)."""
    who = authorised(request, "sessions:read")
    wanted = wire_sessions.wanted(request.query)
    listed = SessionFilter(
        tenant=None if who.admin else who.tenant,
        kinds=("browser",),
        statuses=wire_sessions.ACTIVE if wanted.only_active else (),
        owner=who.actor if wanted.only_own else None,
    )
    first = (wanted.page - 1) * wanted.page_size
    found = await _listed(request, listed, first, wanted.page_size + 1)
    return json_answer(
        wire_sessions.Page(
            items=tuple(shape(request, state, who) for state in found[: wanted.page_size]),
            page=wanted.page,
            page_size=wanted.page_size,
            has_next=len(found) > wanted.page_size,
            has_previous=wanted.page > 1,
        )
    )


async def auth(request: web.Request) -> web.Response:
    """Whether the session can be used."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    return answer(wire_sessions.readiness(state), state)


async def offset(request: web.Request) -> web.Response:
    """How many steps the visit has."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    return answer(wire_sessions.offset(state), state)


async def health(_: web.Request) -> web.Response:
    """That the service answers; no key is needed."""
    return json_answer(wire_sessions.Health(version=version()))


def shown(request: web.Request, state: Session, who: Caller) -> web.Response:
    """The session as Notte shows it; who may use it is told where it is debugged and watched."""
    return answer(shape(request, state, who), state)


def shape(request: web.Request, state: Session, who: Caller | None = None) -> wire.SessionResponse:
    """The same before it is JSON; without `who` it gives nobody a way in."""
    now = request.app[BROWSERS].now(state.id)
    usable = who is not None and may_debug(who, state)
    return wire.session_response(
        state,
        request.app[CLOCK_US](),
        (now.request_bytes, now.response_bytes) if now.answers else None,
        cdp_url=cdp_url(request, state) if usable else None,
        viewer_url=viewer_url(request, state) if usable else None,
        queue_position=now.queued,
    )


async def _listed(
    request: web.Request, wanted: SessionFilter, skipped: int, count: int
) -> list[Session]:
    """`count` sessions after the first `skipped`, all as of this moment or later."""
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    before: int | None = None
    while skipped:
        page = await list_sessions(
            request.app[VIEWS], wanted, before=before, limit=min(skipped, PAGE_MAX)
        )
        if not page:
            return []
        skipped -= len(page)
        before = page[-1].created
    return await list_sessions(request.app[VIEWS], wanted, before=before, limit=count)
