"""Handlers of `/api/v1/sessions/{id}/executions`: programs in, outcomes out."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.native import queries
from sessions.dialects.native import wire_executions as wire
from sessions.dialects.native.answers import json_answer
from sessions.domain.rejections import NotFound
from sessions.execution_history import started_in
from sessions.web.appkeys import MACHINES
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_new: Final = msgspec.json.Decoder(wire.NewExecution)


async def add(request: web.Request) -> web.Response:
    """Run a program in the machine of a session, which is made where there is none.

    The answer is the execution once it ended; without `wait` the execution as it begins.
    """
    who = authorised(request, "sessions:write")
    body = await json_body(request, _new)
    program = wire.program(body)
    machines, session_id = request.app[MACHINES], request.match_info["id"]
    run = machines.execute if body.wait else machines.execute_soon
    execution = await run(session_id, program, who)
    location = f"/api/v1/sessions/{execution.session}/executions/{execution.id}"
    view = wire.execution_view(execution)
    return json_answer(view, 201 if execution.complete else 202, {"Location": location})


async def list_(request: web.Request) -> web.Response:
    """The programs that began in machines of a session, oldest first; of a deleted one too."""
    who = authorised(request, "sessions:read")
    after, limit = queries.history_page(request)
    machines = request.app[MACHINES]
    session = await machines.book.sessions.find(request.match_info["id"], who)
    found, following = await started_in(machines.book, session.id, after, limit)
    items = [wire.execution_view(await machines.execution(each, who)) for each in found]
    return json_answer(wire.ExecutionList(items=items, next=following))


async def get(request: web.Request) -> web.Response:
    """A program and how it went, with as much of its output as is still there."""
    who = authorised(request, "sessions:read")
    execution = await request.app[MACHINES].execution(request.match_info["execution"], who)
    if execution.session != request.match_info["id"]:
        raise NotFound("There is no such execution.")
    return json_answer(wire.execution_view(execution))
