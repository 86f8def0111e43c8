"""Handlers of WAVE's events: waiting for what a channel tells, and telling something on it."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from aiohttp import web

from projections.folds.session import PREFIX
from sessions.caller import Caller
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.channels import Tell
from sessions.dialects.wave.sessions import answer, done, test_run_or_none
from sessions.dialects.wave.wire_events import NewEvent, event_number, session_events
from sessions.domain.commands import PostToChannel
from sessions.domain.rejections import Deleted, NotFound
from sessions.failure import Failure
from sessions.web.appkeys import CHANNELS, SESSIONS, SETTINGS
from sessions.web.bodies import decode, read_body

_event: Final = msgspec.json.Decoder(NewEvent)


async def poll(request: web.Request) -> web.Response:
    """What happened to a session after `last_event`, or the next thing that does (section 4)."""
    who = wave_caller(request, "sessions:read")
    after = _last_event(request)
    return await polled(request, await _stream(request, who), session_events, after)


async def post(request: web.Request) -> web.Response:
    """Tell all who listen to a session; 200 whatever becomes of it (section 1.2)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    told = new_event(raw)
    if told is not None and await test_run_or_none(request, who) is not None:
        command = PostToChannel(type=told.type, data=told.data)
        with contextlib.suppress(NotFound, Deleted):
            await request.app[SESSIONS].execute(request.match_info["token"], command, who)
    return done()


async def polled(
    request: web.Request, stream: str | None, tell: Tell, after: int | None
) -> web.Response:
    """The answer to a long poll: an array of events, or no body where none came in time.

    A stream of None is a channel that nobody has: the client waits, and hears nothing.
    """
    channels, settings = request.app[CHANNELS], request.app[SETTINGS]
    if channels.waiting >= settings.observers_max:
        raise Failure(503, "too_many_observers", "No more polls can wait; try again.")
    transport = request.transport

    def gone() -> bool:
        return transport is None or transport.is_closing()

    if stream is None:
        events = await channels.silence(settings.wave_poll_s, gone)
    else:
        events = await channels.poll(stream, tell, after, settings.wave_poll_s, gone)
    return answer(events) if events else done()


def new_event(raw: bytes) -> NewEvent | None:
    """The event that a body holds, None for anything else."""
    with contextlib.suppress(Failure):
        return decode(raw, _event)
    return None


def _last_event(request: web.Request) -> int | None:
    text = request.query.get("last_event", "")
    if not text:
        return None
    number = event_number(text)
    if number is None:
        raise Failure(400, "invalid_parameter", "last_event: a whole number")
    return number


async def _stream(request: web.Request, who: Caller) -> str | None:
    """The stream of the session, also of a removed one: who waits there is still told why."""
    with contextlib.suppress(NotFound):
        state = await request.app[SESSIONS].find(request.match_info["token"], who)
        if state.kind == "test_run":
            return PREFIX + state.id
    return None
