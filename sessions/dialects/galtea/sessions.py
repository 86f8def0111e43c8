"""Handlers of Galtea's sessions: decode, call the service, encode."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from projections.folds.session import Session
from sessions.caller import Caller
from sessions.dialects.galtea import changes, creation, wire
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.dialects.rendered import Rendered
from sessions.dialects.uuids import uuid_of
from sessions.domain.commands import Delete
from sessions.domain.rejections import NotFound
from sessions.web.answer import Answer
from sessions.web.appkeys import CATALOG, SESSIONS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

DELETED_AT_ONCE: Final = 64
_rendered: Final = Rendered()
_new: Final = msgspec.json.Decoder(wire.NewSession)
_change: Final = msgspec.json.Decoder(changes.Change)
_finish: Final = msgspec.json.Decoder(changes.Finish)
_batch: Final = msgspec.json.Decoder(changes.Batch)


async def create(request: web.Request) -> web.Response:
    """Make a session (section 5)."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _new)
    wire.check(body)
    state = await creation.make(request.app[SESSIONS], request.app[CATALOG], body, who)
    return json_answer(wire.session_view(state), 201)


async def get(request: web.Request) -> web.Response:
    """A session; one that is deleted, unknown or another tenant's is 404 (section 5)."""
    who = authorised(request, "sessions:read")
    shown_id = request.match_info["id"]
    state = await named(request, shown_id, who)
    body = _rendered.body(state, shown_id, wire.session_view)
    return Answer(body)


async def change(request: web.Request) -> web.Response:
    """Change a session: absent leaves a field as it is, null clears it (section 5)."""
    who = authorised(request, "sessions:write")
    return await _changed(request, await json_body(request, _change), who)


async def finish(request: web.Request) -> web.Response:
    """Finish a session: a reason completes it, with an error it has failed (section 5)."""
    who = authorised(request, "sessions:write")
    return await _changed(request, changes.finishing(await json_body(request, _finish)), who)


async def delete(request: web.Request) -> web.Response:
    """Take a session out of lists and reads; its history stays (section 5)."""
    who = authorised(request, "sessions:write")
    state = await named(request, request.match_info["id"], who)
    await request.app[SESSIONS].execute(state.id, Delete(), who)
    return web.Response(status=204)


async def delete_batch(request: web.Request) -> web.Response:
    """Delete sessions, none of them if one is not there (section 5)."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _batch)
    changes.check_batch(body)
    states = [await named(request, public, who) for public in dict.fromkeys(body.ids)]
    sessions = request.app[SESSIONS]
    for start in range(0, len(states), DELETED_AT_ONCE):
        part = states[start : start + DELETED_AT_ONCE]
        await asyncio.gather(*(sessions.execute(state.id, Delete(), who) for state in part))
    return web.Response(status=204)


async def sdk_versions(request: web.Request) -> web.Response:
    """Which clients are served; the CLI tries a key by asking (section 3.1)."""
    authorised(request, "sessions:read")
    return json_answer(wire.SDK_VERSIONS)


async def named(request: web.Request, public: str, who: Caller) -> Session:
    """The session with that id; raises NotFound or Deleted."""
    uuid = uuid_of(wire.SESSION, public)
    if uuid is None:
        raise NotFound("There is no such session.")
    return await session_of_kind(request, uuid, who, "evaluation")


async def _changed(request: web.Request, asked: changes.Change, who: Caller) -> web.Response:
    changes.check(asked)
    state = await named(request, request.match_info["id"], who)
    after = await creation.change(request.app[SESSIONS], state, asked, who)
    return json_answer(wire.session_view(after))
