"""Handlers of `/api/v1/vms`."""

from __future__ import annotations

from aiohttp import web

from projections.folds.vm import PREFIX, Vm
from projections.views.lists import VmFilter, list_vms
from sessions.caller import Caller
from sessions.dialects.native import past, queries, wire_vms
from sessions.dialects.native.answers import (
    SESSION_POSITION,
    json_answer,
    seen_position,
    views_reach,
)
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import FOLLOWER, MACHINES, SESSIONS, VIEWS
from sessions.web.auth import authorised


async def list_(request: web.Request) -> web.Response:
    """A page of machines, newest first, as they are or were."""
    who = authorised(request, "sessions:read")
    if queries.AS_OF in request.query:
        return await past.vms(request, who)
    return await _page(request, queries.vm_filter(request, who))


async def of_session(request: web.Request) -> web.Response:
    """The machines of one session, newest first."""
    who = authorised(request, "sessions:read")
    queries.known(request.query, queries.CURSOR_PAGE)
    state = await request.app[SESSIONS].get(request.match_info["id"], who)
    return await _page(request, VmFilter(session=state.id))


async def get(request: web.Request) -> web.Response:
    """A machine, as it is or was."""
    who = authorised(request, "sessions:read")
    if queries.AS_OF in request.query:
        return await past.vm(request, who)
    queries.known(request.query, (queries.AS_OF,))
    seen_position(request)
    state = await _vm(request, request.match_info["id"], who)
    position = str(state.position)
    headers = {"ETag": f'"{position}"', SESSION_POSITION: position}
    view = wire_vms.vm_view(state, request.app[MACHINES].position(state.id))
    return json_answer(view, headers=headers)


async def _vm(request: web.Request, vm_id: str, who: Caller) -> Vm:
    state: Vm | None = await request.app[FOLLOWER].states.get(PREFIX + vm_id)
    if state is None or not who.sees(state.tenant):
        raise NotFound("There is no such machine.")
    return state


async def _page(request: web.Request, wanted: VmFilter) -> web.Response:
    before, limit = queries.page(request)
    position = await views_reach(request)
    found = await list_vms(request.app[VIEWS], wanted, before=before, limit=limit + 1)
    page = found[:limit]
    after = f"{queries.CURSOR}{page[-1].created}" if len(found) > limit else None
    waits = request.app[MACHINES].position
    items = [wire_vms.vm_view(state, waits(state.id)) for state in page]
    body = wire_vms.VmList(items=items, next=after, position=position)
    return json_answer(body, headers={SESSION_POSITION: str(position)})
