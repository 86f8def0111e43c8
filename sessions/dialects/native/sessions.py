"""Handlers of `/api/v1/sessions`: decode, call the service, encode."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec
from aiohttp import web

from eventstore.commit import Position
from projections.views.lists import list_sessions
from sessions import ids
from sessions.caller import Caller
from sessions.dialects.native import queries, wire
from sessions.dialects.native.answers import (
    SESSION_POSITION,
    expected_revision,
    json_answer,
    seen_position,
    session_answer,
    views_reach,
)
from sessions.domain import commands
from sessions.failure import Failure
from sessions.service import Once
from sessions.web.appkeys import SESSIONS, SETTINGS, VIEWS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY_OK: Final = re.compile(r"[!-~]{1,255}")

_create: Final = msgspec.json.Decoder(wire.CreateSession)
_patch: Final = msgspec.json.Decoder(wire.PatchSession)
_transition: Final = msgspec.json.Decoder(wire.Transition)
_extend: Final = msgspec.json.Decoder(wire.Extend)
_message: Final = msgspec.json.Decoder(wire.NewMessage)


async def create(request: web.Request) -> web.Response:
    """Make a session; an `Idempotency-Key` makes it once."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _create)
    command = commands.CreateSession(
        kind=body.kind,
        dialect="native",
        owner=who.actor,
        status=body.status,
        title=body.title,
        labels=body.labels,
        metadata=body.metadata,
        spec=body.spec,
        idle_timeout_s=body.idle_timeout_s,
        max_duration_s=body.max_duration_s,
    )
    once = await _once(request)
    state, _ = await request.app[SESSIONS].create(ids.uuid7(), command, who, once)
    return session_answer(state, 201)


async def get(request: web.Request) -> web.Response:
    """A session, at once or when it has a wanted status."""
    who = authorised(request, "sessions:read")
    seen_position(request)
    sessions = request.app[SESSIONS]
    session_id = request.match_info["id"]
    state = sessions.at_hand(session_id, who) or await sessions.get(session_id, who)
    if request.query_string:
        wait = queries.wait_for(request, request.app[SETTINGS].wait_s_max)
        if wait is not None:
            await sessions.waiters.until(state, *wait)
            state = await sessions.get(state.id, who)
    return session_answer(state)


async def list_(request: web.Request) -> web.Response:
    """A page of sessions, newest first."""
    who = authorised(request, "sessions:read")
    wanted = queries.session_filter(request, who)
    before, limit = queries.page(request)
    position = await views_reach(request)
    found = await list_sessions(request.app[VIEWS], wanted, before=before, limit=limit + 1)
    page = found[:limit]
    after = f"{queries.CURSOR}{page[-1].created}" if len(found) > limit else None
    body = wire.SessionList(
        items=[wire.session_view(state) for state in page], next=after, position=position
    )
    return json_answer(body, headers={SESSION_POSITION: str(position)})


async def patch(request: web.Request) -> web.Response:
    """Replace fields of a session, at the revision of `If-Match`."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _patch)
    command = commands.Configure(
        title=body.title, labels=body.labels, metadata=body.metadata, spec=body.spec
    )
    return await _execute(request, who, command)


async def delete(request: web.Request) -> web.Response:
    """Delete a session; one that runs is stopped first."""
    who = authorised(request, "sessions:write")
    state = await request.app[SESSIONS].execute(
        request.match_info["id"], commands.Delete(), who, expected=expected_revision(request)
    )
    return web.Response(status=204, headers={SESSION_POSITION: str(state.position)})


async def transition(request: web.Request) -> web.Response:
    """Move a session to another status."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _transition)
    command = commands.ChangeStatus(to=body.to, reason=body.reason, detail=body.detail)
    return await _execute(request, who, command)


async def extend(request: web.Request) -> web.Response:
    """Give a session's clocks new lengths."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _extend)
    command = commands.Extend(
        idle_timeout_s=body.idle_timeout_s, max_duration_s=body.max_duration_s
    )
    return await _execute(request, who, command)


async def add_message(request: web.Request) -> web.Response:
    """Say something in a session; the answer is the session after it."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _message)
    command = commands.AddMessage(
        id=ids.uuid7(), role=body.role, content=body.content, data=body.data
    )
    return await _execute(request, who, command, 201)


async def messages(request: web.Request) -> web.Response:
    """What was said in a session, oldest first."""
    who = authorised(request, "sessions:read")
    after, limit = queries.history_page(request)
    items: list[wire.MessageView] = []
    more = True
    while more and len(items) < limit:
        page = await request.app[SESSIONS].commits(request.match_info["id"], who, after, limit)
        more = len(page) == limit
        for commit in page:
            if len(items) >= limit:
                more = True
                break
            items.extend(wire.message_views(commit))
            after = commit.position
    return json_answer(wire.MessageList(items=items, next=after if more else None))


async def events(request: web.Request) -> web.Response:
    """The history of a session, oldest first; that of a deleted one too."""
    who = authorised(request, "sessions:read")
    after, limit = queries.history_page(request)
    session_id = request.match_info["id"]
    found = await request.app[SESSIONS].commits(session_id, who, after, limit + 1)
    page = found[:limit]
    following: Position | None = page[-1].position if len(found) > limit else None
    items = [wire.commit_view(commit) for commit in page]
    return json_answer(wire.History(items=items, next=following))


async def _execute(
    request: web.Request, who: Caller, command: commands.AnyCommand, status: int = 200
) -> web.Response:
    state = await request.app[SESSIONS].execute(
        request.match_info["id"],
        command,
        who,
        expected=expected_revision(request),
        once=await _once(request),
    )
    answer = session_answer(state, status)
    if status == 201:
        answer.headers["Location"] = f"/api/v1/sessions/{state.id}/messages"
    return answer


async def _once(request: web.Request) -> Once | None:
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return None
    if not _KEY_OK.fullmatch(key):
        detail = f"{IDEMPOTENCY_KEY} is 1 to 255 visible ASCII characters."
        raise Failure(400, "bad_idempotency_key", detail)
    asked = b"\0".join((request.method.encode(), request.path.encode(), await request.read()))
    return Once(f"native {key}", hashlib.sha256(asked).hexdigest())
