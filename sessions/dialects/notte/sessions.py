"""Handlers of Notte's sessions: authorise, decode, call, encode."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import Session
from sessions import ids
from sessions.dialects.notte import wire
from sessions.dialects.reading import answer, session_of_kind
from sessions.web.appkeys import CLOCK_US, SESSIONS
from sessions.web.auth import authorised
from sessions.web.bodies import decode, read_body

_any: Final = msgspec.json.Decoder(Any)


async def start(request: web.Request) -> web.Response:
    """Start a session; it works without a body (section 2.4)."""
    who = authorised(request, "sessions:write")
    raw = await read_body(request)
    asked = wire.start(decode(raw, _any) if raw.strip() else None, request.query)
    command = wire.to_command(asked, who.actor)
    state, _ = await request.app[SESSIONS].create(ids.uuid7(), command, who)
    return _answer(request, state)


async def status(request: web.Request) -> web.Response:
    """The session as it is now; to look at it is not to use it (section 3.2)."""
    who = authorised(request, "sessions:read")
    return _answer(
        request, await session_of_kind(request, request.match_info["id"], who, "browser")
    )


def _answer(request: web.Request, state: Session) -> web.Response:
    return answer(wire.session_response(state, request.app[CLOCK_US]()), state)
