"""Handlers of Galtea's sessions: decode, call the service, encode."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.galtea import creation, wire
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import CATALOG, SESSIONS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_new: Final = msgspec.json.Decoder(wire.NewSession)


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
    uuid = wire.uuid_of(wire.SESSION, request.match_info["id"])
    if uuid is None:
        raise NotFound("There is no such session.")
    return json_answer(wire.session_view(await session_of_kind(request, uuid, who, "evaluation")))


async def sdk_versions(request: web.Request) -> web.Response:
    """Which clients are served; the CLI tries a key by asking (section 3.1)."""
    authorised(request, "sessions:read")
    return json_answer(wire.SDK_VERSIONS)
