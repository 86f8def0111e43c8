"""Handlers of Galtea's turns: decode, call, encode."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.session import Session
from projections.folds.turns import Turn
from sessions import ids
from sessions.caller import Caller
from sessions.dialects.galtea import queries, references, simulator, wire_turns
from sessions.dialects.galtea.anchors import anchored, policy_of
from sessions.dialects.galtea.entities import TEST_CASE
from sessions.dialects.galtea.room import Room
from sessions.dialects.galtea.sessions import named
from sessions.dialects.galtea.wire import SESSION, bad
from sessions.dialects.galtea.wire_turns import place_named
from sessions.dialects.reading import json_answer, json_array
from sessions.dialects.uuids import uuids_of
from sessions.domain.rejections import Deleted, NotFound
from sessions.failure import Failure
from sessions.web.appkeys import CATALOG, CLOCK_US, CONVERSATIONS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_new: Final = msgspec.json.Decoder(wire_turns.NewTurn)
_batch: Final = msgspec.json.Decoder(wire_turns.NewTurns)
_patch: Final = msgspec.json.Decoder(wire_turns.TurnPatch)
_wanted: Final = msgspec.json.Decoder(simulator.Wanted)
_Turns = AsyncIterator[tuple[str, list[Turn]]]


async def create(request: web.Request) -> web.Response:
    """Record a turn: 201, or 200 where the product ignores what comes after the end (section 6)."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _new)
    state = await anchored(request, body, who)
    data = wire_turns.turn_data(body)
    recorded = await _record(request, state, [data], who)
    if recorded:
        return json_answer(wire_turns.turn_view(state.id, recorded[0]), 201)
    now = request.app[CLOCK_US]()
    return json_answer(wire_turns.ignored_view(state.id, state.turns, data, now, ids.uuid7()))


async def create_batch(request: web.Request) -> web.Response:
    """Record a conversation; none of it where the product ignores what comes after the end."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _batch)
    state = await anchored(request, body, who)
    recorded = await _record(request, state, wire_turns.conversation_data(body), who)
    return json_answer(wire_turns.turn_views(state.id, recorded), 201 if recorded else 200)


async def get(request: web.Request) -> web.Response:
    """A turn; one that is deleted, unknown or another tenant's is 404."""
    who = authorised(request, "sessions:read")
    session_id, index = place_named(request.match_info["id"])
    turn = await request.app[CONVERSATIONS].turn(session_id, index, who)
    return json_answer(wire_turns.turn_view(session_id, turn))


async def change(request: web.Request) -> web.Response:
    """Change a turn: absent leaves a field as it is, null clears it; what it belongs to stays."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _patch)
    session_id, index = place_named(request.match_info["id"])
    turn = await request.app[CONVERSATIONS].change(
        session_id, index, lambda turn: wire_turns.turn_changes(body, turn.data), who
    )
    return json_answer(wire_turns.turn_view(session_id, turn))


async def delete(request: web.Request) -> web.Response:
    """Take a turn out of lists and reads; its history stays."""
    who = authorised(request, "sessions:write")
    await request.app[CONVERSATIONS].remove(*place_named(request.match_info["id"]), who)
    return web.Response(status=204)


async def list_(request: web.Request) -> web.Response:
    """The turns of sessions, or those with some ids; an unknown session has none (section 3)."""
    who = authorised(request, "sessions:read")
    part = queries.page(request)
    wanted = queries.array(request, "ids")
    sessions = queries.array(request, "sessionIds")
    if not wanted and not sessions:
        raise Failure(400, "filter_required", "A filter is required: ids or sessionIds.")
    of = uuids_of(SESSION, sessions)
    room = Room()
    found: list[tuple[str, Turn]] = []
    asked = _named(request, wanted, who) if wanted else _of(request, of, who)
    async for session_id, turns in asked:
        for turn in turns if not sessions or session_id in of else ():
            if part.holds(turn.created_at):
                room.take(turn.data)
                found.append((session_id, turn))
    found.sort(key=lambda one: (one[1].created, one[1].index), reverse=True)
    return await json_array(part.of(found), lambda one: wire_turns.turn_view(*one))


async def next_message(request: web.Request) -> web.Response:
    """Say what the user says next, by the script in the test case, in a turn that waits."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _wanted)
    simulator.check(body)
    state = await named(request, body.session_id, who)
    test_case = await _test_case(request, state, who)
    known: Sequence[Turn] = ()
    step = simulator.Step()

    def following(turns: Sequence[Turn]) -> list[dict[str, Any]]:
        nonlocal known, step
        known, step = turns, simulator.step(test_case, turns, body.max_turns)
        return [simulator.turn_of(step)] if step.message and step.waiting is None else []

    closed = await policy_of(request, state, who)
    closed = "reject" if closed == "ignore" else closed  # there is no turn to answer without one
    made = await request.app[CONVERSATIONS].follow(state.id, following, closed, who)
    turn = made[0] if made else step.waiting or known[-1]
    said = simulator.Said(
        next_message=step.message,
        finished=step.finished,
        stopping_reason=step.reason,
        simulator_version=simulator.VERSION,
        inference_result_id=wire_turns.turn_id(state.id, turn.index),
    )
    return json_answer(said)


async def _record(
    request: web.Request, state: Session, data: Sequence[dict[str, Any]], who: Caller
) -> list[Turn]:
    closed = await policy_of(request, state, who)
    return await request.app[CONVERSATIONS].record(state.id, data, closed, who)


async def _named(request: web.Request, turn_ids: Sequence[str], who: Caller) -> _Turns:
    """The turns with these ids, each with its session; raises NotFound or Deleted."""
    for session_id, index in dict.fromkeys(map(place_named, turn_ids)):
        yield session_id, [await request.app[CONVERSATIONS].turn(session_id, index, who)]


async def _of(request: web.Request, session_ids: Iterable[str], who: Caller) -> _Turns:
    """The turns of those sessions that there are."""
    for session_id in session_ids:
        with contextlib.suppress(NotFound, Deleted):
            yield session_id, await request.app[CONVERSATIONS].turns(session_id, who)
        await asyncio.sleep(0)  # thousands do not hold up everybody else


async def _test_case(request: web.Request, state: Session, who: Caller) -> dict[str, Any]:
    public = state.spec.get("testCaseId")
    if not isinstance(public, str):
        raise bad("sessionId", "only a session with a test case has a user to simulate")
    return (await references.found(request.app[CATALOG], TEST_CASE, public, who)).data
