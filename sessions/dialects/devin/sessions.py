"""Handlers of Devin's sessions: authorise, decode, call, encode."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET

from eventstore.commit import Position
from projections.folds.session import PREFIX, Session
from sessions import ids
from sessions.caller import Caller
from sessions.conversation import Said, opened, said_in
from sessions.dialects.devin import wire
from sessions.dialects.devin.ids import native_id
from sessions.dialects.reading import answer, session_of_kind
from sessions.domain.rejections import NotFound
from sessions.service import Claim
from sessions.web.appkeys import SESSIONS, SETTINGS, VAULT
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_any: Final = msgspec.json.Decoder(Any)


async def create(request: web.Request) -> web.Response:
    """Make a session, or find the one that an idempotent create made before (section 3)."""
    who = authorised(request, "sessions:write")
    body = wire.create_session(await json_body(request, _any))
    session_id = ids.uuid7()
    sealed = await request.app[VAULT].seal_many(PREFIX + session_id, wire.secrets(body))
    command = wire.to_command(body, who.actor, sealed)
    sessions = request.app[SESSIONS]
    if body.idempotent:
        claim = Claim(wire.claim_name(who.actor, body), wire.held)
        state, new = await sessions.create_claiming(session_id, command, who, claim)
    else:
        state, new = await sessions.create(session_id, command, who)
    told = new if body.idempotent else UNSET
    return answer(wire.created(state.id, _public_url(request), told), state)


async def get(request: web.Request) -> web.Response:
    """A session with its conversation; its web address shows the same."""
    who = authorised(request, "sessions:read")
    session_id = native_id(request.match_info["session_id"])
    if session_id is None:
        raise NotFound("There is no such session.")
    state = await session_of_kind(request, session_id, who, "agent")
    messages = await _messages(request, state, who)
    return answer(wire.session_view(state, _public_url(request), messages), state)


async def _messages(request: web.Request, state: Session, who: Caller) -> tuple[wire.Message, ...]:
    """What was said up to the state that is shown."""
    later: list[Said] = []
    after = Position(state.created - 1)
    while state.messages and after < state.position:
        page = await request.app[SESSIONS].commits(state.id, who, after)
        for commit in page:
            if commit.position <= state.position:
                later.extend(said_in(commit))
        after = page[-1].position if page else state.position
    said = await opened(request.app[VAULT], later)
    return (*wire.initial_message(state), *map(wire.later_message, said))


def _public_url(request: web.Request) -> str:
    return request.app[SETTINGS].public_url or f"{request.scheme}://{request.host}"
