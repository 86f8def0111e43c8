"""Handlers of `/api/v1/sessions`: decode, call the service, encode."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web
from msgspec import UNSET

from eventstore.commit import Position
from projections.folds.session import PREFIX, Session
from projections.views.lists import list_sessions
from sessions import ids
from sessions.caller import Caller
from sessions.conversation import opened, sealed_words
from sessions.dialects import custom_ids
from sessions.dialects.native import past, queries, wire
from sessions.dialects.native.answers import (
    IDEMPOTENCY_KEY,
    SESSION_POSITION,
    expected_revision,
    items_of_history,
    json_answer,
    once_of,
    seen_position,
    session_answer,
    views_reach,
)
from sessions.dialects.native.explanations import why_view
from sessions.domain import checks, commands
from sessions.domain.rejections import AlreadyExists
from sessions.explaining import trail_of
from sessions.service import ClaimOf, Once
from sessions.turn_messages import spoken_in
from sessions.web.appkeys import ERASURES, SESSIONS, SETTINGS, VAULT, VIEWS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body, read_body

_create: Final = msgspec.json.Decoder(wire.CreateSession)
_patch: Final = msgspec.json.Decoder(wire.PatchSession)
_transition: Final = msgspec.json.Decoder(wire.Transition)
_extend: Final = msgspec.json.Decoder(wire.Extend)
_message: Final = msgspec.json.Decoder(wire.NewMessage)


async def create(request: web.Request) -> web.Response:
    """Make a session; an `Idempotency-Key` makes it once."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _create)
    once = await _once(request, sensitive=bool(body.secrets))
    earlier = await _earlier(request, who, once)
    if earlier is not None:
        return session_answer(earlier, 201)
    checks.secrets(body.secrets)
    session_id = ids.uuid7()
    command = commands.CreateSession(
        kind=body.kind,
        dialect="native",
        owner=who.actor,
        status=body.status,
        title=body.title,
        labels=body.labels,
        metadata=body.metadata,
        spec=body.spec,
        secrets=await request.app[VAULT].seal_many(PREFIX + session_id, body.secrets),
        idle_timeout_s=body.idle_timeout_s,
        max_duration_s=body.max_duration_s,
        work=None if body.work is None else body.work.terms(),
    )
    return session_answer(await _created(request, session_id, command, who, once), 201)


async def get(request: web.Request) -> web.Response:
    """A session, at once, when it has a wanted status, or as it was."""
    who = authorised(request, "sessions:read")
    asks = bool(request.query_string)
    if asks and queries.AS_OF in request.query:
        return await past.session(request, who)
    seen_position(request)
    sessions = request.app[SESSIONS]
    session_id = request.match_info["id"]
    state = sessions.at_hand(session_id, who) or await sessions.get(session_id, who)
    if asks:
        wait = queries.wait_for(request, request.app[SETTINGS].wait_s_max)
        if wait is not None:
            await sessions.waiters.until(state, *wait)
            state = await sessions.get(state.id, who)
    return session_answer(state)


async def list_(request: web.Request) -> web.Response:
    """A page of sessions, newest first, as they are or were."""
    who = authorised(request, "sessions:read")
    if queries.AS_OF in request.query:
        return await past.sessions(request, who)
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
    claim_of = None
    if body.spec is not UNSET and not custom_ids.NAMING.isdisjoint(body.spec):
        claim_of = custom_ids.claim_after(body.spec)
    return session_answer(await _executed(request, who, command, await _once(request), claim_of))


async def delete(request: web.Request) -> web.Response:
    """Delete a session, with `erase` its secrets too; one that runs is stopped first."""
    who = authorised(request, "sessions:write")
    session_id, expected = request.match_info["id"], expected_revision(request)
    if queries.erase(request):
        state = await request.app[ERASURES].erase(session_id, who, expected)
    else:
        delete = commands.Delete()
        state = await request.app[SESSIONS].execute(session_id, delete, who, expected=expected)
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
    once = await _once(request, sensitive=body.sensitive)
    earlier = await _earlier(request, who, once)
    if earlier is not None:
        return _message_added(earlier)
    if body.sensitive:
        command = await _sensitive(request, who, body)
    else:
        command = commands.AddMessage(
            id=ids.uuid7(), role=body.role, content=body.content, data=body.data
        )
    return _message_added(await _executed(request, who, command, once))


async def messages(request: web.Request) -> web.Response:
    """What was said in a session, oldest first, also in the turns that are evaluated."""
    who = authorised(request, "sessions:read")
    until = await past.asked_position(request) if queries.AS_OF in request.query else None
    said, following = await items_of_history(request, who, spoken_in, queries.AS_OF, until=until)
    items = [wire.message_view(one) for one in await opened(request.app[VAULT], said)]
    return json_answer(wire.MessageList(items=items, next=following))


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


async def why(request: web.Request) -> web.Response:
    """Why a session is in its state, who brought it there, and what would move it on."""
    who = authorised(request, "sessions:read")
    queries.known(request.query, {queries.AS_OF})
    until = await past.asked_position(request) if queries.AS_OF in request.query else None
    trail = await trail_of(request.app[SESSIONS], request.match_info["id"], who, until)
    return json_answer(why_view(trail), headers={SESSION_POSITION: str(trail.position)})


async def _created(
    request: web.Request,
    session_id: str,
    command: commands.CreateSession,
    who: Caller,
    once: Once | None,
) -> Session:
    sessions, claim = request.app[SESSIONS], custom_ids.claim_of(command.kind, command.spec)
    if claim is None:
        state, _ = await sessions.create(session_id, command, who, once)
        return state
    if once is not None and (earlier := await sessions.answered(once, who)) is not None:
        return earlier
    state, made = await sessions.create_claiming(session_id, command, who, claim)
    if not made:
        raise AlreadyExists(claim.taken)
    # A commit has one id, and that was the claim's: the answer is noted by the next one. A repeat
    # that comes between the two is refused; it never makes another session.
    return await sessions.execute(session_id, commands.Configure(), who, once=once)


async def _execute(request: web.Request, who: Caller, command: commands.AnyCommand) -> web.Response:
    return session_answer(await _executed(request, who, command, await _once(request)))


async def _executed(
    request: web.Request,
    who: Caller,
    command: commands.AnyCommand,
    once: Once | None,
    claim_of: ClaimOf | None = None,
) -> Session:
    session_id, expected = request.match_info["id"], expected_revision(request)
    return await request.app[SESSIONS].execute(
        session_id, command, who, expected=expected, once=once, claim_of=claim_of
    )


async def _sensitive(
    request: web.Request, who: Caller, body: wire.NewMessage
) -> commands.AddMessage:
    checks.content(body.content)
    # A session that is not the caller's must not get a key.
    state = await request.app[SESSIONS].get(request.match_info["id"], who)
    stream = PREFIX + state.id
    sealed = await sealed_words(request.app[VAULT], stream, body.content, body.data)
    return commands.AddMessage(id=ids.uuid7(), role=body.role, content="", sealed=sealed)


def _message_added(state: Session) -> web.Response:
    answer = session_answer(state, 201)
    answer.fields["Location"] = f"/api/v1/sessions/{state.id}/messages"
    return answer


async def _earlier(request: web.Request, who: Caller, once: Once | None) -> Session | None:
    """What a sensitive request did before, if it is a repeat: nothing is sealed for it again."""
    if once is None or not once.sensitive:
        return None
    return await request.app[SESSIONS].answered(once, who)


async def _once(request: web.Request, *, sensitive: bool = False) -> Once | None:
    if IDEMPOTENCY_KEY not in request.headers:
        return None
    return once_of(request, await read_body(request), sensitive=sensitive)
