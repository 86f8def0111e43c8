"""Handlers of Galtea's spans: decode, call, encode."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from projections.folds.session import Session
from projections.folds.span import Span
from projections.views.spans import SpanFilter
from sessions.caller import Caller
from sessions.dialects.galtea import queries, wire_spans
from sessions.dialects.galtea.room import Room
from sessions.dialects.galtea.wire import SESSION, bad
from sessions.dialects.galtea.wire_spans import NewTrace, RejectedSpan
from sessions.dialects.galtea.wire_turns import place_named, place_of
from sessions.dialects.reading import json_answer, json_array
from sessions.dialects.uuids import uuids_of
from sessions.domain.rejections import Deleted, NotFound
from sessions.failure import Failure
from sessions.spans import NewSpan
from sessions.web.appkeys import CONVERSATIONS, SESSIONS, SPANS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

NAME_CHARS_TOLD: Final = 100
_new: Final = msgspec.json.Decoder(NewTrace)
_batch: Final = msgspec.json.Decoder(wire_spans.NewTraces)
Placed = tuple[Session, NewSpan]


async def create(request: web.Request) -> web.Response:
    """Record a span of a turn; the same id again replaces it (section 6)."""
    who = authorised(request, "sessions:write")
    placed = await _placed(request, await json_body(request, _new), who)
    [span] = await request.app[SPANS].record([placed], who)
    return json_answer(wire_spans.trace_view(span), 201)


async def create_batch(request: web.Request) -> web.Response:
    """Record those spans that are right, and tell of the others if asked; 400 if none is right."""
    who = authorised(request, "sessions:write")
    told = queries.word(request, "includeRejected", queries.TRUTH) or False
    items = (await json_body(request, _batch)).traces
    if not 0 < len(items) <= wire_spans.BATCH_MAX:
        raise bad("traces", f"traces holds 1 to {wire_spans.BATCH_MAX} spans, not {len(items)}")
    right: list[Placed] = []
    refused: list[RejectedSpan] = []
    for index, item in enumerate(items):
        try:
            right.append(await _placed(request, wire_spans.trace_in(item), who))
        except (Failure, NotFound, Deleted) as error:
            refused.append(RejectedSpan(index, _name(item), wire_spans.why(error)))
    if not right:
        first = refused[0]
        raise bad("traces", f"traces holds no span that can be taken; the first: {first.reason}")
    spans = await request.app[SPANS].record(right, who)
    views = [wire_spans.trace_view(span) for span in spans]
    return json_answer(wire_spans.recorded(views, refused) if told else views, 201)


async def get(request: web.Request) -> web.Response:
    """A span by the id that its client chose."""
    who = authorised(request, "sessions:read")
    return json_answer(wire_spans.trace_view(await _there(request, _id(request), who)))


async def delete(request: web.Request) -> web.Response:
    """Take a span out of lists and reads; its history stays."""
    who = authorised(request, "sessions:write")
    span = await _there(request, _id(request), who)
    await request.app[SPANS].delete(span, who)
    return web.Response(status=204)


async def list_(request: web.Request) -> web.Response:
    """The spans of turns or of sessions, or those with some ids, newest first (section 6)."""
    who = authorised(request, "sessions:read")
    part = queries.page(request, "startTime")
    wanted = _filter(request, who)
    if wanted is None:
        found = []
    elif named := queries.array(request, "ids"):
        spans = [await _there(request, span_id, who) for span_id in dict.fromkeys(named)]
        found = [span for span in spans if _matches(span, wanted)]
    else:
        room = Room()
        spans = await request.app[SPANS].list(wanted, lambda span: room.take(span.data))
        found = await _alive(request, spans, who)
    found.sort(key=lambda span: (wire_spans.started_at(span), span.created), reverse=True)
    kept = [span for span in found if part.holds(wire_spans.started_at(span))]
    return await json_array(part.of(kept), wire_spans.trace_view)


def _filter(request: web.Request, who: Caller) -> SpanFilter | None:
    """What is asked for; None where nothing can be found. Raises Failure where nothing is asked."""
    turns = queries.array(request, "inferenceResultIds")
    sessions = queries.array(request, "sessionIds")
    if not (turns or sessions or queries.array(request, "ids")):
        detail = "A filter is required: ids, inferenceResultIds or sessionIds."
        raise Failure(400, "filter_required", detail)
    places = [place for public in turns if (place := place_of(public)) is not None]
    uuids = uuids_of(SESSION, sessions)
    if (turns and not places) or (sessions and not uuids):
        return None
    types = tuple(word.upper() for word in queries.array(request, "types"))
    if not set(types) <= set(wire_spans.TYPES):
        raise queries.bad("types", f"each one of {', '.join(wire_spans.TYPES)}")
    return SpanFilter(
        tenant=None if who.admin else who.tenant,
        sessions=tuple(uuids),
        turns=tuple(dict.fromkeys(places)),
        types=types,
        names=tuple(queries.array(request, "names")),
    )


def _matches(span: Span, wanted: SpanFilter) -> bool:
    alternatives: Iterable[tuple[object, Sequence[object]]] = (
        (span.session, wanted.sessions),
        ((span.session, span.turn), wanted.turns),
        (span.data.get("type"), wanted.types),
        (span.data.get("name"), wanted.names),
    )
    return all(value in some for value, some in alternatives if some)


async def _alive(request: web.Request, spans: Sequence[Span], who: Caller) -> list[Span]:
    """Those whose turn is still there."""
    turns: dict[str, set[int]] = {}
    for session_id in {span.session for span in spans}:
        try:
            found = await request.app[CONVERSATIONS].turns(session_id, who)
            turns[session_id] = {turn.index for turn in found}
        except (NotFound, Deleted):
            turns[session_id] = set()
    return [span for span in spans if span.turn in turns[span.session]]


async def _there(request: web.Request, span_id: str, who: Caller) -> Span:
    """The span of that id, if its turn is there too; raises NotFound."""
    span = await request.app[SPANS].get(span_id, who)
    if not await _alive(request, [span], who):
        raise NotFound("There is no such trace.")
    return span


async def _placed(request: web.Request, body: NewTrace, who: Caller) -> Placed:
    """The span, and the session of its turn; raises Failure, NotFound or Deleted."""
    wire_spans.check(body)
    session_id, index = place_named(body.inference_result_id)
    await request.app[CONVERSATIONS].turn(session_id, index, who)
    state = await request.app[SESSIONS].get(session_id, who)
    span_id = body.id or f"trace_{secrets.token_hex(8)}"
    return state, NewSpan(id=span_id, turn=index, data=wire_spans.trace_data(body))


def _id(request: web.Request) -> str:
    return request.match_info["id"]


def _name(item: object) -> str | None:
    name = item.get("name") if isinstance(item, dict) else None
    return name[:NAME_CHARS_TOLD] if isinstance(name, str) else None
