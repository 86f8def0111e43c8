"""Handlers of WAVE's devices API: decode, call the service, encode."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions import ids
from sessions.caller import Caller
from sessions.dialects.wave import wire, wire_devices
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.agents import browser_of
from sessions.dialects.wave.events import polled
from sessions.dialects.wave.sessions import answer, done
from sessions.dialects.wave.wire_events import event_number
from sessions.web.appkeys import DEVICES
from sessions.web.bodies import decode, read_body

_body: Final = msgspec.json.Decoder(wire_devices.EventBody)


async def register(request: web.Request) -> web.Response:
    """Register the browser that asks (section 1.5)."""
    who = wave_caller(request, "sessions:write")
    agent = wire.agent_text(request.headers.get("User-Agent", ""))
    name = wire_devices.device_name(browser_of(agent))
    seen = await request.app[DEVICES].register(ids.uuid1(), agent, name, who)
    return answer(wire.Token(seen.device.id))


async def listing(request: web.Request) -> web.Response:
    """The devices that are there (section 1.5)."""
    who = wave_caller(request, "sessions:read")
    return answer([wire_devices.device_view(seen) for seen in request.app[DEVICES].list(who)])


async def get(request: web.Request) -> web.Response:
    """One device (section 1.5)."""
    who = wave_caller(request, "sessions:read")
    seen = request.app[DEVICES].find(request.match_info["token"], who)
    return answer(wire_devices.device_view(seen))


async def events(request: web.Request) -> web.Response:
    """What is said next to a device (sections 1.5 and 4)."""
    who = wave_caller(request, "sessions:read")
    _refresh(request, who)
    stream = request.app[DEVICES].channel(request.match_info["token"], who)
    return await polled(request, stream, wire_devices.channel_events, _last_event(request))


async def all_events(request: web.Request) -> web.Response:
    """What is said next to all who listen to devices (sections 1.5 and 4)."""
    who = wave_caller(request, "sessions:read")
    _refresh(request, who)
    stream = request.app[DEVICES].channel_of_all(who)
    return await polled(request, stream, wire_devices.channel_events, _last_event(request))


async def post_event(request: web.Request) -> web.Response:
    """Say something to a device (section 1.5)."""
    who = wave_caller(request, "sessions:write")
    event = await _event(request)
    _refresh(request, who)
    if event.type is not None:
        token = request.match_info["token"]
        await request.app[DEVICES].say(token, event.type, event.data, who)
    return done()


async def post_to_all(request: web.Request) -> web.Response:
    """Say something to all who listen to devices (section 1.5)."""
    who = wave_caller(request, "sessions:write")
    event = await _event(request)
    _refresh(request, who)
    if event.type is not None:
        await request.app[DEVICES].say_to_all(event.type, event.data, who)
    return done()


async def nothing_else(request: web.Request) -> web.Response:
    """Whatever else is asked of devices is answered, and does nothing (section 1.1)."""
    if request.method != "OPTIONS":
        wave_caller(request, "sessions:read")
    return done()


async def _event(request: web.Request) -> wire_devices.NewEvent:
    raw = await read_body(request)
    body = decode(raw, _body) if raw else None
    return body if isinstance(body, wire_devices.NewEvent) else wire_devices.NewEvent()


def _refresh(request: web.Request, who: Caller) -> None:
    request.app[DEVICES].refresh(request.query.get("device_token", ""), who)


def _last_event(request: web.Request) -> int | None:
    # The original knows no such parameter here, so what is no number is not read.
    return event_number(request.query.get("last_event", ""))
