"""Handlers of an organisation's sessions: authorise, decode, call, encode (section 4)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import PREFIX
from projections.views.lists import list_sessions
from sessions import ids
from sessions.dialects.addresses import origin
from sessions.dialects.devin import agents
from sessions.dialects.devin import wire_create as v1
from sessions.dialects.devin.sessions import exited
from sessions.dialects.devin.v3 import wire, wire_changes, wire_create, wire_lists
from sessions.dialects.devin.v3.organisations import member, session_asked
from sessions.dialects.queries import boolean
from sessions.dialects.reading import answer, encoded_answer, json_answer
from sessions.dialects.rendered import Rendered
from sessions.domain.rejections import AlreadyEnded
from sessions.web.appkeys import FOLLOWER, LOG, SESSIONS, VAULT, VIEWS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_rendered: Final = Rendered()
_any: Final = msgspec.json.Decoder(Any)


async def self_(request: web.Request) -> web.Response:
    """Whose key it is."""
    return json_answer(wire.self_view(authorised(request, "sessions:read")))


async def create(request: web.Request) -> web.Response:
    """Make a session."""
    who = member(request, "sessions:write")
    body = wire_create.create_session(await json_body(request, _any))
    session_id = ids.uuid7()
    sealed = await request.app[VAULT].seal_many(PREFIX + session_id, v1.secrets(body))
    command = v1.to_command(body, who.actor, sealed)
    state, _ = await request.app[SESSIONS].create(session_id, command, who)
    return answer(wire.session_view(state, origin(request)), state)


async def list_(request: web.Request) -> web.Response:
    """A page of sessions, newest first."""
    who = member(request, "sessions:read")
    asked = wire_lists.sessions(request.query, who.tenant)
    found = []
    if asked.wanted is not None:
        await request.app[FOLLOWER].reached(request.app[LOG].size)
        found = await list_sessions(
            request.app[VIEWS], asked.wanted, before=asked.before, limit=asked.first + 1
        )
    place = origin(request)
    page = wire.page_of(
        found,
        asked.first,
        lambda state: wire.session_view(state, place),
        lambda state: wire_lists.cursor_of(state.created),
    )
    return json_answer(page)


async def get(request: web.Request) -> web.Response:
    """A session."""
    state, _ = await session_asked(request, "sessions:read")
    return encoded_answer(_rendered.body(state, origin(request), wire.session_view), state)


async def terminate(request: web.Request) -> web.Response:
    """End the session for good, and archive it where that is asked for."""
    state, who = await session_asked(request, "sessions:write")
    archived = boolean(request.query, "archive", False)
    try:
        state = await agents.terminate(request, state, who, archived=archived)
    except AlreadyEnded:
        raise exited() from None
    return answer(wire.session_view(state, origin(request)), state)


async def archive(request: web.Request) -> web.Response:
    """Keep the session to be read, and let nothing go on in it; twice is once."""
    state, who = await session_asked(request, "sessions:write")
    state = await agents.put_away(request, state, who)
    return answer(wire.session_view(state, origin(request)), state)


async def tags(request: web.Request) -> web.Response:
    """The tags of a session."""
    state, _ = await session_asked(request, "sessions:read")
    return answer(wire.TagsView(tags=state.labels), state)


async def append_tags(request: web.Request) -> web.Response:
    """Give the session more tags; those that it has it keeps."""
    state, who = await session_asked(request, "sessions:write")
    new = wire_changes.tags(await json_body(request, _any))
    state = await agents.label(request, state, lambda had: wire_changes.appended(had, new), who)
    return answer(wire.TagsView(tags=state.labels), state)


async def replace_tags(request: web.Request) -> web.Response:
    """Give the session these tags and no others."""
    state, who = await session_asked(request, "sessions:write")
    wanted = wire_changes.tags(await json_body(request, _any))
    state = await agents.label(request, state, lambda _: wanted, who)
    return answer(wire.TagsView(tags=state.labels), state)
