"""Handlers of WAVE's sessions API: decode, call the service, encode."""

from __future__ import annotations

import contextlib
import re
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import Session, expiry
from projections.views.lists import sessions_by_id_prefix
from sessions import ids
from sessions.caller import SERVICE, Caller
from sessions.dialects.reading import session_of_kind
from sessions.dialects.wave import wire
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.agents import browser_of
from sessions.domain.commands import CreateSession, FireClocks
from sessions.domain.rejections import Deleted, NotFound
from sessions.failure import Failure
from sessions.web.answer import Answer
from sessions.web.appkeys import CLOCK_US, FOLLOWER, LOG, SESSIONS, VIEWS
from sessions.web.bodies import decode, read_body

_body: Final = msgspec.json.Decoder(wire.Body)
_FRAGMENT: Final = re.compile(rf"[0-9a-f-]{{{wire.FRAGMENT_CHARS_MIN},{wire.TOKEN_CHARS - 1}}}")


async def create(request: web.Request) -> web.Response:
    """Make a session for the browser that asks (section 1.2)."""
    who = wave_caller(request, "sessions:write")
    raw = await read_body(request)
    body = wire.new_session(decode(raw, _body) if raw else None)
    agent = wire.agent_text(request.headers.get("User-Agent", ""))
    command = CreateSession(
        kind="test_run",
        dialect="wave",
        owner=who.actor,
        labels=body.labels or (),
        spec=wire.spec(body, agent, browser_of(agent)),
        expires_at=wire.expires_at(body),
    )
    state, _ = await request.app[SESSIONS].create(ids.uuid1(), command, who)
    return answer(wire.Token(state.id))


async def get(request: web.Request) -> web.Response:
    """The configuration of a session, or the token that a fragment belongs to (section 2.3)."""
    who = wave_caller(request, "sessions:read")
    token = request.match_info["token"]
    if len(token) != wire.TOKEN_CHARS:
        return answer(wire.Token(await _found(request, token, who)))
    return answer(wire.configuration(await test_run(request, token, who)))


async def status(request: web.Request) -> web.Response:
    """How far a session is (section 1.2)."""
    who = wave_caller(request, "sessions:read")
    state = await test_run(request, request.match_info["token"], who)
    return answer(wire.status_view(state))


async def anything_else(request: web.Request) -> web.Response:
    """What browsers ask before they ask; the API has nothing else here (section 1.1)."""
    if request.method == "OPTIONS":
        return done()
    raise Failure(404, "no_such_route", "There is nothing at this path.")


def answer(value: Any) -> web.Response:
    """`value` as WAVE's JSON, for a page of any origin."""
    return Answer(wire.text(value), 200, wire.CORS)


def done() -> web.Response:
    """200 without a body: how WAVE answers a command, also one that changed nothing."""
    return Answer(b"", 200, wire.CORS)


async def test_run_or_none(request: web.Request, who: Caller) -> Session | None:
    """The session that the path names, None where there is none."""
    with contextlib.suppress(NotFound, Deleted):
        return await test_run(request, request.match_info["token"], who)
    return None


async def test_run(request: web.Request, token: str, who: Caller) -> Session:
    """The session, unless its expiration has passed: then it is gone this moment (section 2.4)."""
    state = await session_of_kind(request, token, who, "test_run")
    if expiry(state) is not None:
        state = await request.app[SESSIONS].execute(token, FireClocks(), SERVICE)
    if state.deleted:
        raise Deleted
    return state


async def _found(request: web.Request, fragment: str, who: Caller) -> str:
    if not _FRAGMENT.fullmatch(fragment):
        raise NotFound
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    tenant = None if who.admin else who.tenant
    found = await sessions_by_id_prefix(
        request.app[VIEWS],
        fragment,
        tenant=tenant,
        kind="test_run",
        now=request.app[CLOCK_US](),
        limit=2,
    )
    if len(found) != 1:
        raise NotFound
    state = await test_run(request, found[0].id, who)
    return state.id
