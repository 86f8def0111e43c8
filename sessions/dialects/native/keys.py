"""Handlers of `/api/v1/keys`; for admins."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.native import wire
from sessions.dialects.native.answers import json_answer
from sessions.web.appkeys import ACCESS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_new: Final = msgspec.json.Decoder(wire.NewKey)


async def issue(request: web.Request) -> web.Response:
    """Issue a key; its secret is in this answer and never again."""
    who = authorised(request, "admin")
    body = await json_body(request, _new)
    made = await request.app[ACCESS].issue(
        who,
        name=body.name,
        tenant=who.tenant if body.tenant is None else body.tenant,
        scopes=body.scopes,
        prefix=body.prefix,
    )
    view = msgspec.structs.asdict(wire.key_view(made.key))
    headers = {"Cache-Control": "no-store"}
    return json_answer(wire.IssuedKey(**view, key=made.secret), 201, headers)


async def list_(request: web.Request) -> web.Response:
    """All keys, oldest first."""
    who = authorised(request, "admin")
    keys = request.app[ACCESS].keys(who)
    return json_answer(wire.KeyList(items=[wire.key_view(key) for key in keys]))


async def revoke(request: web.Request) -> web.Response:
    """Close a key for good."""
    who = authorised(request, "admin")
    key = await request.app[ACCESS].revoke(who, request.match_info["id"])
    return json_answer(wire.key_view(key))
