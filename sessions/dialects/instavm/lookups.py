"""Finding the machine that a request of InstaVM's API is about."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from projections.folds.vm import PREFIX, Vm
from projections.views.lists import PAGE_MAX, VmFilter, list_vms
from sessions.caller import Caller
from sessions.domain.rejections import NotFound
from sessions.web.appkeys import FOLLOWER, LOG, VIEWS


async def vm_of_path(request: web.Request, who: Caller) -> Vm:
    """The machine whose id stands in the path, ended or not; raises NotFound."""
    return await vm_of_id(request, request.match_info["vm"], who)


async def vm_of_id(request: web.Request, vm_id: str, who: Caller) -> Vm:
    """The machine, ended or not; raises NotFound."""
    state: Vm | None = await request.app[FOLLOWER].states.get(PREFIX + vm_id)
    if state is None or not who.sees(state.tenant):
        raise NotFound("There is no such machine.")
    return state


async def newest_vm(request: web.Request, session_id: str) -> Vm | None:
    """The machine that a session got last, ended or not."""
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    wanted = VmFilter(session=session_id)
    found = await list_vms(request.app[VIEWS], wanted, before=None, limit=1)
    return found[0] if found else None


async def all_vms(request: web.Request, wanted: VmFilter) -> AsyncIterator[Vm]:
    """Every machine of a list, newest first, as it is now; a page at a time is in memory."""
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    before: int | None = None
    while page := await list_vms(request.app[VIEWS], wanted, before=before, limit=PAGE_MAX):
        for vm in page:
            yield vm
        before = page[-1].created


def own(who: Caller) -> str | None:
    """The tenant whose machines `who` may list, None for all."""
    return None if who.admin else who.tenant
