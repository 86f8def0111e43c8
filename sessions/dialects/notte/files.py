"""Handlers of the files of a session: for its pages, and from them (contract section 3.2)."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from sessions.dialects.forms import form_of
from sessions.dialects.notte import wire_files
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.dialects.streaming import streamed
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import ARTIFACTS, BROWSERS, SESSIONS, SETTINGS
from sessions.web.auth import authorised

NAMELESS: Final = "upload"


async def upload(request: web.Request) -> web.Response:
    """Give the session a file that its pages may take."""
    who = authorised(request, "sessions:write")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    bytes_max = request.app[SETTINGS].artifact_bytes_max
    async with form_of(request, (), bytes_max) as form:
        file = await request.app[BROWSERS].upload(
            state.id, form.filename or NAMELESS, form.media_type, form.file, who
        )
    return json_answer(wire_files.shape(await request.app[SESSIONS].get(state.id, who), file))


async def list_(request: web.Request) -> web.Response:
    """The files of the session, newest first."""
    who = authorised(request, "sessions:read")
    asked = wire_files.wanted(request.query)
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    found = await request.app[BROWSERS].files(state.id, who)
    return json_answer(wire_files.files(state, found, asked))


async def download(request: web.Request) -> web.StreamResponse:
    """The bytes of a file."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    file_id = request.match_info["file"]
    found = await request.app[BROWSERS].files(state.id, who)
    file = next((each for each in found if each.id == file_id), None)
    if file is None:
        raise NotFound("The session has no such file.")
    async with request.app[ARTIFACTS].read(state.id, file.sha256) as parts:
        return await streamed(request, parts, file.media_type, file.name, file.size)


async def delete(request: web.Request) -> web.Response:
    """Take a file out of the list; the record of the session still tells of it."""
    who = authorised(request, "sessions:write")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    await request.app[BROWSERS].remove_file(state.id, request.match_info["file"], who)
    return web.Response(status=204)
