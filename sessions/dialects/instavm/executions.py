"""Handlers of InstaVM's executions (contract section 4.3), and of what ends a machine (4.4)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from sessions.caller import SERVICE, Caller
from sessions.dialects.instavm import wire_executions
from sessions.dialects.reading import json_answer, session_of_kind
from sessions.domain.rejections import Forbidden, NotFound
from sessions.execution_results import Execution
from sessions.failure import Failure
from sessions.runtimes.vm.port import Program
from sessions.web.answer import Answer
from sessions.web.appkeys import MACHINES, SESSIONS
from sessions.web.auth import authorised, caller_of, secret_of
from sessions.web.bodies import json_body

LARGE_BYTES: Final = 256 << 10
_any: Final = msgspec.json.Decoder(Any)


async def execute(request: web.Request) -> web.Response:
    """Run a program to its end; one that fails is an answer like any other."""
    who, session_id, program = await _asked(request)
    found = await request.app[MACHINES].execute(session_id, program, who)
    return await _answered(wire_executions.executed, found)


async def execute_async(request: web.Request) -> web.Response:
    """Run a program in the background; what becomes of it is asked for by its id."""
    who, session_id, program = await _asked(request)
    found = await request.app[MACHINES].execute_soon(session_id, program, who)
    return json_answer(wire_executions.accepted(found))


async def task(request: web.Request) -> web.Response:
    """An execution as it is now."""
    who = authorised(request, "sessions:read")
    found = await request.app[MACHINES].execution(request.match_info["id"], who)
    return await _answered(wire_executions.task, found)


async def kill(request: web.Request) -> web.Response:
    """End the machine of a session, which goes on without one (section 4.4)."""
    who = authorised(request, "sessions:write")
    wanted = wire_executions.kill(await json_body(request, _any))
    state = await _owned(request, wanted.session_id, who)
    vm = await request.app[MACHINES].kill(state, who)
    if vm is None:
        raise NotFound("The session has no machine yet.")
    killed = wire_executions.Killed(session_id=state, vm_id=vm.id, status="killed")
    return json_answer(killed)


async def _answered(shape: Callable[[Execution], Any], execution: Execution) -> web.Response:
    """The execution in that shape; a large output is made a text beside everything else."""

    def body() -> bytes:
        return msgspec.json.encode(shape(execution))

    large = len(execution.stdout) + len(execution.stderr) > LARGE_BYTES
    raw = await asyncio.to_thread(body) if large else body()
    return Answer(raw)


async def _asked(request: web.Request) -> tuple[Caller, str, Program]:
    """Who asks, the session and the program; the key may stand in the body instead of a header."""
    who = authorised(request, "sessions:write") if secret_of(request) else None
    body = await json_body(request, _any)
    if who is None:
        key = body.get("api_key") if isinstance(body, dict) else None
        who = caller_of(request, key if isinstance(key, str) else "", "sessions:write")
    wanted = wire_executions.execute(body)
    state = await session_of_kind(request, wanted.session_id, who, "vm")
    program = Program(
        code=wanted.program,
        language=wanted.language or "python",
        timeout_s=float(wanted.timeout or wire_executions.TIMEOUT_S),
    )
    return who, state.id, program


async def _owned(request: web.Request, session_id: str, who: Caller) -> str:
    """The session's id; raises Failure 400, Forbidden for another's, and NotFound, in this order.

    Elsewhere what belongs to others is not there at all; here clients are told.
    """
    try:
        uuid.UUID(session_id)
    except ValueError:
        raise Failure(400, "malformed_id", "This is no session id: it is not a UUID.") from None
    state = await request.app[SESSIONS].get(session_id, SERVICE)
    if not who.sees(state.tenant):
        raise Forbidden("The session belongs to another key.")
    return (await session_of_kind(request, session_id, who, "vm")).id
