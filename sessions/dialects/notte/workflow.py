"""Handler of the visit as a script (contract section 3.2)."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from sessions.browser_answers import Step
from sessions.caller import Caller
from sessions.dialects import fastapi
from sessions.dialects.notte import wire_workflow
from sessions.dialects.queries import boolean
from sessions.failure import FieldError
from sessions.web.answer import Answer
from sessions.web.appkeys import BROWSERS
from sessions.web.auth import authorised

PAGE: Final = 1_000
STEPS_MAX: Final = 10_000
"""A script of more is of no use to anybody; the log has them all."""


async def code(request: web.Request) -> web.Response:
    """What was done in the session, as Python for the client and as JSON.

    What was typed is in it, opened again: a key that only reads does not see that.
    """
    who = authorised(request, "sessions:write")
    if "as_workflow" not in request.query:
        error = FieldError(("query", "as_workflow"), "Field required", "missing")
        raise fastapi.refusal([error])
    whole = boolean(request.query, "as_workflow", False)
    boolean(request.query, "infer_response_format", False)
    steps = await _steps(request, who)

    def body() -> bytes:
        return msgspec.json.encode(wire_workflow.script(steps, whole=whole))

    return Answer(await asyncio.to_thread(body))


async def _steps(request: web.Request, who: Caller) -> list[Step]:
    browsers, session_id = request.app[BROWSERS], request.match_info["id"]
    steps: list[Step] = []
    after = 0
    while len(steps) < STEPS_MAX:
        page = await browsers.steps(session_id, who, after=after, limit=PAGE)
        if not page:
            break
        steps += page
        after = page[-1].position
    return steps
