"""Handlers of `/api/v1/work`: for the programs that do the work of sessions."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from eventstore.commit import Position
from projections.views.work import worked_sessions
from sessions import ids
from sessions.dialects.native import queries
from sessions.dialects.native import wire_work as wire
from sessions.dialects.native.answers import (
    SESSION_POSITION,
    json_answer,
    session_answer,
    views_reach,
)
from sessions.dialects.native.wire import NewWork
from sessions.web.appkeys import VIEWS, WORK
from sessions.web.auth import authorised
from sessions.web.bodies import decode, json_body, read_body
from sessions.work import fingerprint_of
from sessions.work_claims import Asking

_claim: Final = msgspec.json.Decoder(wire.NewClaim)
_poll: Final = msgspec.json.Decoder(wire.NewPoll)
_reports: Final = msgspec.json.Decoder(wire.NewReports)
_release: Final = msgspec.json.Decoder(wire.NewRelease)
_terms: Final = msgspec.json.Decoder(NewWork)


async def list_(request: web.Request) -> web.Response:
    """A page of the sessions that wait for a worker or that one holds, oldest first."""
    who = authorised(request, "work")
    kinds, states = queries.work_filter(request)
    after, limit = queries.page(request)
    position = await views_reach(request)
    found = await worked_sessions(
        request.app[VIEWS],
        kinds=kinds,
        tenant=None if who.admin else who.tenant,
        waiting="waiting" in states,
        held="held" in states,
        after=after or 0,
        limit=limit + 1,
    )
    page, left_s = found[:limit], request.app[WORK].leases.left_s
    following = f"{queries.CURSOR}{page[-1].created}" if len(found) > limit else None
    items = [wire.work_item(state, left_s(state.id)) for state in page]
    body = wire.WorkList(items=items, next=following, position=position)
    return json_answer(body, headers={SESSION_POSITION: str(position)})


async def claim(request: web.Request) -> web.Response:
    """Have the oldest session that waits and needs no more than the worker has.

    204 if none came within `wait_s`.
    """
    who = authorised(request, "work")
    body = await json_body(request, _claim)
    wire.check_wait(body.wait_s)
    asking = Asking(
        kind=body.kind,
        worker=body.worker,
        labels=body.labels,
        wait_s=body.wait_s,
        gone=lambda: request.transport is None or request.transport.is_closing(),
    )
    claimed = await request.app[WORK].claim(asking, who)
    if claimed is None:
        return web.Response(status=204)
    return json_answer(wire.claim(claimed), headers=_PRIVATE)


async def poll(request: web.Request) -> web.Response:
    """Be heard of, and hear what users say and whether the session goes on."""
    who = authorised(request, "work")
    body = await json_body(request, _poll)
    wire.check_wait(body.wait_s)
    heard = await request.app[WORK].poll(
        _session(request), body.generation, Position(body.after), body.wait_s, who
    )
    return json_answer(wire.poll(heard), headers=_PRIVATE)


async def report(request: web.Request) -> web.Response:
    """Tell how the work goes; all of it is one commit, or none."""
    who = authorised(request, "work")
    raw = await read_body(request)
    body = decode(raw, _reports)
    wire.check_reports(body)
    state = await request.app[WORK].report(
        _session(request),
        body.generation,
        body.sequence,
        [wire.report(each, ids.uuid7) for each in body.reports],
        fingerprint_of(raw),
        who,
    )
    return json_answer(wire.reported(state))


async def release(request: web.Request) -> web.Response:
    """Give a session back, for another worker."""
    who = authorised(request, "work")
    body = await json_body(request, _release)
    state = await request.app[WORK].release(
        _session(request), body.generation, body.why, body.detail, who
    )
    return json_answer(wire.ReleaseView(status=state.status))


async def offer(request: web.Request) -> web.Response:
    """Let workers have a session, on these terms."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _terms)
    state = await request.app[WORK].offer(_session(request), body.terms(), who)
    return session_answer(state)


def _session(request: web.Request) -> str:
    return request.match_info["id"]


_PRIVATE: Final = {"Cache-Control": "no-store"}
