"""Handlers of the film of a visit (contract sections 3.2 and 3.8)."""

from __future__ import annotations

from aiohttp import web

from projections.folds.session import Session
from sessions.caller import SERVICE
from sessions.dialects.notte import wire_replay
from sessions.dialects.notte.addresses import link_to
from sessions.dialects.queries import integer
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.dialects.streaming import streamed
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import ARTIFACTS, LINKS, RECORDINGS
from sessions.web.auth import authorised

OFFSET_MAX = 2**53


async def get(request: web.Request) -> web.Response:
    """Where the film is, for a while without a key; 404 until there is one."""
    state = await _session(request)
    if not _recording(state):
        pending = request.app[RECORDINGS].pending(state.id)
        return json_answer(wire_replay.missing(state, pending), 404)
    url, expires_at = link_to(request, "/video.mp4")
    return json_answer(wire_replay.replay(state, url, expires_at))


async def mouse(request: web.Request) -> web.Response:
    """The track of the mouse: there is none beside the film."""
    integer(request.query, "offset", 0, 0, OFFSET_MAX)
    await _session(request)
    return json_answer(wire_replay.Mouse())


async def video(request: web.Request) -> web.StreamResponse:
    """The film, for whoever has the link to it or a key."""
    who = SERVICE
    if "token" in request.query:
        request.app[LINKS].check(request.path, request.query)
    else:
        who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    visit = state.browser
    if visit is None or not visit.recording:
        raise NotFound("There is no replay of this session.")
    async with request.app[ARTIFACTS].read(state.id, visit.recording) as parts:
        name = f"session-{state.id}.mp4"
        return await streamed(request, parts, visit.recording_type, name, visit.recording_bytes)


async def _session(request: web.Request) -> Session:
    who = authorised(request, "sessions:read")
    return await session_of_kind(request, request.match_info["id"], who, "browser")


def _recording(state: Session) -> str:
    return "" if state.browser is None else state.browser.recording
