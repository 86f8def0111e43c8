"""The handler of `/api/v1/sessions/{id}/browser`."""

from __future__ import annotations

from aiohttp import web

from projections.folds.session import Session
from sessions.dialects.native import past, queries, wire_browsers
from sessions.dialects.native.answers import SESSION_POSITION, json_answer, seen_position
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import BROWSERS, PAST, SESSIONS
from sessions.web.auth import authorised


async def of_session(request: web.Request) -> web.Response:
    """The browser of a session, as it is or was; of a session that ended too."""
    who = authorised(request, "sessions:read")
    session_id = request.match_info["id"]
    queries.known(request.query, (queries.AS_OF,))
    if queries.AS_OF in request.query:
        position = await past.asked_position(request)
        state = await request.app[PAST].session(session_id, position, who)
        return _answer(wire_browsers.browser_view(_of_browsers(state)), position)
    seen_position(request)
    state = _of_browsers(await request.app[SESSIONS].get(session_id, who))
    now = request.app[BROWSERS].now(state.id)
    traffic = (now.request_bytes, now.response_bytes) if now.answers else None
    return _answer(wire_browsers.browser_view(state, now.queued, traffic), state.position)


def _of_browsers(state: Session) -> Session:
    if state.kind != "browser":
        raise NotFound("The session is not one of browsers.")
    return state


def _answer(view: wire_browsers.BrowserView, position: int) -> web.Response:
    headers = {"ETag": f'"{view.position}"', SESSION_POSITION: str(position)}
    return json_answer(view, headers=headers)
