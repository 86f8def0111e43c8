"""Handlers of `/api/v1/views/rebuild`; for admins."""

from __future__ import annotations

from aiohttp import web

from sessions.dialects.native.answers import json_answer
from sessions.web.appkeys import REBUILDING
from sessions.web.auth import authorised


async def rebuild(request: web.Request) -> web.Response:
    """Fold the whole log anew beside the traffic; the views switch when it is done."""
    authorised(request, "admin")
    return json_answer(request.app[REBUILDING].start(), 202)


async def progress(request: web.Request) -> web.Response:
    """How far the last rebuild is, or how it ended."""
    authorised(request, "admin")
    return json_answer(request.app[REBUILDING].state)
