"""Handlers of the cookies of a browser (contract section 3.6)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.dialects.notte import wire_cookies
from sessions.dialects.reading import json_answer
from sessions.web.appkeys import BROWSERS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_any: Final = msgspec.json.Decoder(Any)


async def get(request: web.Request) -> web.Response:
    """All cookies; who has them can act for the session, so it takes the right to."""
    who = authorised(request, "sessions:write")
    found = await request.app[BROWSERS].cookies(request.match_info["id"], who)
    return json_answer(wire_cookies.cookies(found))


async def set_(request: web.Request) -> web.Response:
    """Add or replace cookies."""
    who = authorised(request, "sessions:write")
    wanted = wire_cookies.set_cookies(await json_body(request, _any))
    await request.app[BROWSERS].set_cookies(request.match_info["id"], wanted, who)
    return json_answer(wire_cookies.taken(len(wanted)))
