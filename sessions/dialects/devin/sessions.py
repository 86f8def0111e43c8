"""Handlers of Devin's sessions in its API v1: authorise, decode, call, encode (section 3)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET

from projections.folds.session import PREFIX, Session
from projections.views.lists import SessionFilter, list_sessions
from sessions import ids
from sessions.caller import Caller
from sessions.dialects.addresses import origin
from sessions.dialects.devin import agents, snapshots, wire, wire_changes, wire_create
from sessions.dialects.reading import answer, encoded_answer, json_answer
from sessions.dialects.rendered import CONVERSATION_BYTES_MAX, Rendered
from sessions.domain.rejections import AlreadyEnded
from sessions.failure import Failure
from sessions.service import Claim
from sessions.web.appkeys import FOLLOWER, LOG, SESSIONS, VAULT, VIEWS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

TAGGED: Final = "Tags updated successfully"
TERMINATED: Final = "Session terminated successfully"
EXITED: Final = "Devin session already exited"
_rendered: Final = Rendered(bytes_max=CONVERSATION_BYTES_MAX)
_any: Final = msgspec.json.Decoder(Any)


async def create(request: web.Request) -> web.Response:
    """Make a session, or find the one that an idempotent create made before."""
    who = authorised(request, "sessions:write")
    body = wire_create.create_session(await json_body(request, _any))
    await snapshots.check(request, body.snapshot_id, who)
    claim, state, new = None, None, False
    if body.idempotent:
        claim = Claim(wire_create.claim_name(who.actor, body), wire_create.held)
    if claim is not None and body.session_secrets:  # no key is made for what is there already
        state = await request.app[SESSIONS].holding(claim, who)
    if state is None:
        state, new = await _made(request, body, claim, who)
    told = new if body.idempotent else UNSET
    return answer(wire.created(state.id, origin(request), told), state)


async def list_(request: web.Request) -> web.Response:
    """A page of sessions, newest first; those marked `unlisted` are among them."""
    who = authorised(request, "sessions:read")
    page = wire_changes.page(request.query)
    wanted = SessionFilter(
        tenant=None if who.admin else who.tenant,
        kinds=("agent",),
        labels_any=page.tags,
        owner=page.user_email,
    )
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    found = await list_sessions(
        request.app[VIEWS], wanted, before=None, offset=page.offset, limit=page.limit
    )
    place = origin(request)
    return json_answer({"sessions": [wire.session_row(state, place) for state in found]})


async def get(request: web.Request) -> web.Response:
    """A session with its conversation; its web address shows the same."""
    who = authorised(request, "sessions:read")
    state = await agents.session_of_path(request, who)
    place = origin(request)
    known = _rendered.known(state, place)
    if known is not None:
        return encoded_answer(known, state)
    said = await agents.said_so_far(request, state, who)
    messages = (*wire.initial_message(state), *map(wire.later_message, said))
    view = wire.session_view(state, place, messages)
    if any(one.sensitive for one in said):
        return answer(view, state)
    return encoded_answer(_rendered.keep(state, place, view), state)


async def message(request: web.Request) -> web.Response:
    """Say something to the agent; the answer is null."""
    who = authorised(request, "sessions:write")
    text = wire_changes.message(await json_body(request, _any))
    state = await agents.session_of_path(request, who)
    try:
        state = await agents.say(request, state, text, who)
    except AlreadyEnded:
        raise exited() from None
    return answer(None, state)


async def tags(request: web.Request) -> web.Response:
    """Give the session these tags and no others, also one that has ended."""
    who = authorised(request, "sessions:write")
    wanted = wire_changes.tags(await json_body(request, _any))
    state = await agents.session_of_path(request, who)
    state = await agents.label(request, state, lambda _: wanted, who)
    return answer(wire.Done(detail=TAGGED), state)


async def terminate(request: web.Request) -> web.Response:
    """End the session for good; it can still be read. The second time is refused."""
    who = authorised(request, "sessions:write")
    state = await agents.session_of_path(request, who)
    try:
        state = await agents.terminate(request, state, who)
    except AlreadyEnded:
        raise exited() from None
    return answer(wire.Done(detail=TERMINATED), state)


def exited() -> Failure:
    """The refusal of what nothing but a session that has not ended can do."""
    return Failure(400, AlreadyEnded.code, EXITED)


async def _made(
    request: web.Request, body: wire_create.CreateSession, claim: Claim | None, who: Caller
) -> tuple[Session, bool]:
    session_id = ids.uuid7()
    sealed = await request.app[VAULT].seal_many(PREFIX + session_id, wire_create.secrets(body))
    command = wire_create.to_command(body, who.actor, sealed)
    sessions = request.app[SESSIONS]
    if claim is not None:
        return await sessions.create_claiming(session_id, command, who, claim)
    return await sessions.create(session_id, command, who)
