"""Handlers of InstaVM's list of sandboxes, and of what machines had at hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from aiohttp import web

from projections.folds.session import SECOND_US
from projections.views.lists import VmFilter
from sessions.dialects import fastapi, queries
from sessions.dialects.instants import instant
from sessions.dialects.instavm import wire_records
from sessions.dialects.instavm.lookups import all_vms, own
from sessions.dialects.reading import answer, json_answer, session_of_kind
from sessions.domain import policy
from sessions.failure import FieldError
from sessions.web.appkeys import CLOCK_US
from sessions.web.auth import authorised

LIMIT: Final = 100
LIMIT_MAX: Final = 1000
DAYS: Final = 30
DAYS_MAX: Final = 365
# A machine lives for a day at most; this much older ones may have waited for their turn.
_BEFORE_US: Final = 2 * policy.DAY_S * SECOND_US


async def list_(request: web.Request) -> web.Response:
    """Machines whose metadata hold all given pairs, newest first, as a bare array (4.2)."""
    who = authorised(request, "sessions:read")
    wanted = queries.json_object(request.query, "metadata")
    limit = queries.integer(request.query, "limit", LIMIT, 1, LIMIT_MAX)
    found: list[wire_records.Sandbox] = []
    async for vm in all_vms(request, VmFilter(tenant=own(who))):
        if wire_records.contains(vm.metadata, wanted):
            found.append(wire_records.sandbox(vm))
        if len(found) == limit:
            break
    return json_answer(found)


async def usage(request: web.Request) -> web.Response:
    """What the machines of a session had at hand."""
    who = authorised(request, "sessions:read")
    state = await session_of_kind(request, request.match_info["id"], who, "vm")
    lived = wire_records.Lived(request.app[CLOCK_US]())
    async for vm in all_vms(request, VmFilter(session=state.id)):
        lived.add(vm)
    return answer(lived.usage(state.id), state)


async def usage_breakdown(request: web.Request) -> web.Response:
    """What the caller's machines had at hand, day by day."""
    who = authorised(request, "sessions:read")
    now_us = request.app[CLOCK_US]()
    first, last = _period(request, instant(now_us).date())
    since = (first - date(1970, 1, 1)).days * policy.DAY_S * SECOND_US - _BEFORE_US
    lived = wire_records.LivedByDay(first, last, now_us)
    async for vm in all_vms(request, VmFilter(tenant=own(who))):
        if vm.created_at < since:
            break
        lived.add(vm)
    return json_answer(lived.breakdown())


def _period(request: web.Request, today: date) -> tuple[date, date]:
    """The first and the last day that are asked for; raises Failure 422."""
    days = queries.integer(request.query, "days", DAYS, 1, DAYS_MAX)
    last = queries.day(request.query, "end_date") or today
    first = queries.day(request.query, "start_date") or last - timedelta(days=days - 1)
    if not 0 <= (last - first).days < DAYS_MAX:
        message = f"a period has 1 to {DAYS_MAX} days"
        raise fastapi.refusal([FieldError(("query", "start_date"), message, "value_error")])
    return first, last
