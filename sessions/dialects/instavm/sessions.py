"""Handlers of InstaVM's sessions: authorise, decode, call, encode."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import PREFIX
from sessions import ids
from sessions.dialects.instavm import wire
from sessions.dialects.instavm.lookups import newest_vm
from sessions.dialects.reading import answer, session_of_kind
from sessions.domain.machine_sizes import MEMORY_MB
from sessions.web.appkeys import CLOCK_US, MACHINES, SESSIONS, VAULT
from sessions.web.auth import authorised, caller_of
from sessions.web.bodies import json_body

_any: Final = msgspec.json.Decoder(Any)


async def create(request: web.Request) -> web.Response:
    """Make a session; the key stands in the body, no header is asked for (section 3)."""
    body = wire.create_session(await json_body(request, _any))
    who = caller_of(request, body.api_key, "sessions:write")
    if body.env:  # its machine is made at once: it is kinder to say now that none would be
        request.app[MACHINES].check_room(body.memory_mb or MEMORY_MB)
    session_id = ids.uuid7()
    sealed = await request.app[VAULT].seal_many(PREFIX + session_id, body.env or {})
    command = wire.to_command(body, who.actor, sealed)
    state, _ = await request.app[SESSIONS].create(session_id, command, who)
    if sealed:
        request.app[MACHINES].begin_soon(state.id, who)
    return answer(wire.Created(session_id=state.id), state)


async def info(request: web.Request) -> web.Response:
    """The session and its settings."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    return answer(wire.session_info(state), state)


async def status(request: web.Request) -> web.Response:
    """Whether the session has a machine, and how that is (section 4.1)."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    vm = await newest_vm(request, state.id)
    return answer(wire.session_status(state, vm, request.app[CLOCK_US]()), state)
