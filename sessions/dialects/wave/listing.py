"""Handlers of WAVE's lists of sessions (section 1.2)."""

from __future__ import annotations

from aiohttp import web

from projections.views.ordinals import public_sessions, session_count, sessions_from
from sessions.caller import Caller
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.sessions import answer
from sessions.dialects.wave.wire_sessions import (
    COUNT,
    COUNT_MAX,
    INDEX,
    page_number,
    sessions_page,
)
from sessions.failure import Failure
from sessions.web.appkeys import CLOCK_US, FOLLOWER, LOG, SETTINGS, VIEWS

KIND = "test_run"


async def list_(request: web.Request) -> web.Response:
    """A page of sessions in the order in which they were made, as HAL."""
    who = wave_caller(request, "sessions:read")
    if not request.app[SETTINGS].wave_read_sessions:
        raise Failure(404, "no_such_route", "The list of sessions is switched off.")
    query = request.query
    index = page_number("index", query.get("index", ""), INDEX, 0)
    count = min(page_number("count", query.get("count", ""), COUNT, 1), COUNT_MAX)
    tenant, views = await _tenant(request, who), request.app[VIEWS]
    now = request.app[CLOCK_US]()
    total = await session_count(views, kind=KIND, tenant=tenant, now=now)
    found = await sessions_from(views, kind=KIND, tenant=tenant, now=now, index=index, limit=count)
    return answer(sessions_page(found, total, index, count, query.get("expand", "").split(",")))


async def public(request: web.Request) -> web.Response:
    """The tokens of the sessions that everybody may see."""
    who = wave_caller(request, "sessions:read")
    tenant = await _tenant(request, who)
    now = request.app[CLOCK_US]()
    return answer(await public_sessions(request.app[VIEWS], kind=KIND, tenant=tenant, now=now))


async def _tenant(request: web.Request, who: Caller) -> str | None:
    """Whose sessions the caller sees, None for all; the lists show all that has happened."""
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    return None if who.admin else who.tenant
