"""Handlers that move a session on: start, pause, stop and resume (section 2.2).

What the status does not allow changes nothing and is answered all the same; the native status
machine decides, so that no step is taken here which it forbids.
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from aiohttp import web

from projections.events.status import Status
from sessions.caller import Caller
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.sessions import done, test_run, test_run_or_none
from sessions.dialects.wave.wire import STATUS, WaveStatus
from sessions.dialects.wave.wire_sessions import ResumeOrder
from sessions.domain.commands import AnyCommand, ChangeStatus, ResumeOther
from sessions.domain.rejections import AlreadyEnded, Deleted, NotFound, TransitionNotAllowed
from sessions.web.appkeys import RUNS, SESSIONS
from sessions.web.bodies import decode, read_body

_order: Final = msgspec.json.Decoder(ResumeOrder | None)


def _shown_as(*shown: WaveStatus) -> frozenset[Status]:
    return frozenset(status for status, as_wave in STATUS.items() if as_wave in shown)


PAUSE: Final = ChangeStatus(to="paused", only_from=_shown_as("running"))
STOP: Final = ChangeStatus(to="stopped")


async def start(request: web.Request) -> web.Response:
    """Begin a session, or go on with a paused one; 200 also for a token that nobody has."""
    who = wave_caller(request, "sessions:write")
    state = await test_run_or_none(request, who)
    if state is not None and STATUS[state.status] in ("pending", "paused"):
        with contextlib.suppress(NotFound, Deleted):
            await request.app[RUNS].start(state.id, who)
    return done()


async def pause(request: web.Request) -> web.Response:
    """Hand out no more tests until the session is started again."""
    return await _moved(request, PAUSE)


async def stop(request: web.Request) -> web.Response:
    """End a session before all its tests are done."""
    return await _moved(request, STOP)


async def resume(request: web.Request) -> web.Response:
    """Send the device of a pending session to another one, and remove this one (section 4)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    order = decode(raw, _order) if raw else None
    state = await test_run(request, request.match_info["token"], who)
    token = None if order is None else order.resume_token
    await _move(request, state.id, ResumeOther(token=token), who)
    return done()


async def _moved(request: web.Request, command: ChangeStatus) -> web.Response:
    who = wave_caller(request, "sessions:write")
    state = await test_run(request, request.match_info["token"], who)
    await _move(request, state.id, command, who)
    return done()


async def _move(request: web.Request, token: str, command: AnyCommand, who: Caller) -> None:
    with contextlib.suppress(TransitionNotAllowed, AlreadyEnded):
        await request.app[SESSIONS].execute(token, command, who)
