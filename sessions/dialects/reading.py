"""What dialects share to answer with a session: which are theirs, and how the answer goes out."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from projections.events.status import Kind
from projections.folds.session import Session
from projections.folds.vm import Vm
from sessions.caller import Caller
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import SESSIONS

SESSION_POSITION: Final = "Session-Position"


async def session_of_kind(
    request: web.Request, session_id: str, who: Caller, kind: Kind
) -> Session:
    """The session, whichever dialect made it; raises NotFound also for one of another kind."""
    state = await request.app[SESSIONS].get(session_id, who)
    if state.kind != kind:
        raise NotFound("There is no such session.")
    return state


def answer(body: Any, state: Session | Vm) -> web.Response:
    """200 with `body` as JSON, and the revision of the session or machine it tells of."""
    return web.Response(
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={SESSION_POSITION: str(state.position)},
    )
