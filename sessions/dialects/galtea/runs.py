"""Galtea's runs: opened and closed by a caller, found again by their label (section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.catalog import Entry
from projections.views.references import count_by_reference
from sessions.caller import Caller
from sessions.catalog import Catalog, NewEntry
from sessions.dialects.galtea import queries, wire_runs
from sessions.dialects.galtea.catalog import entries
from sessions.dialects.galtea.entities import PRODUCT, RUN, VERSION
from sessions.dialects.galtea.references import NameTaken, found, within
from sessions.dialects.galtea.wire import bad
from sessions.dialects.galtea.wire_runs import CUSTOM_ID, LAST_ORDINAL, ORDINAL
from sessions.dialects.reading import json_answer, json_array
from sessions.dialects.uuids import public_id
from sessions.web.appkeys import CATALOG, CLOCK_US, FOLLOWER, LOG, VIEWS
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

_new: Final = msgspec.json.Decoder(wire_runs.NewRun)


async def create(request: web.Request) -> web.Response:
    """Open a run; its label is one run's of a product at a time."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _new)
    wire_runs.check(body)
    entry = await _entered(request.app[CATALOG], body, who)
    return json_answer(wire_runs.run_view(entry, 0), 201)


async def get(request: web.Request) -> web.Response:
    """A run by its id."""
    who = authorised(request, "sessions:read")
    run = await found(request.app[CATALOG], RUN, request.match_info["id"], who)
    return await _shown(request, run)


async def list_(request: web.Request) -> web.Response:
    """Runs, newest first unless `sort` says otherwise; an unknown id is 404 (section 3)."""
    who = authorised(request, "sessions:read")
    part = queries.page(request)
    statuses = queries.array(request, "statuses")
    if not set(statuses) <= set(wire_runs.STATUSES):
        raise queries.bad("statuses", f"each one of {', '.join(wire_runs.STATUSES)}")
    wanted = wire_runs.Wanted(
        product_ids=queries.array(request, "productIds"),
        version_ids=queries.array(request, "versionIds"),
        custom_ids=queries.array(request, "customIds"),
        statuses=statuses,
        search=request.query.get("search", ""),
    )
    labels = wanted.custom_ids
    field = (CUSTOM_ID, labels[0]) if len(labels) == 1 else None
    runs = await entries(request, RUN, part, wanted.holds, who, field=field)
    counts = await _counts(request, runs)
    return await json_array(runs, lambda run: wire_runs.run_view(run, counts.get(run.id, 0)))


async def close(request: web.Request) -> web.Response:
    """Close a run, which takes no session any more."""
    who = authorised(request, "sessions:write")
    catalog, now = request.app[CATALOG], request.app[CLOCK_US]()
    entry = await found(catalog, RUN, request.match_info["id"], who)
    closed = await catalog.change(RUN.type, entry.id, lambda run: wire_runs.closing(run, now), who)
    return await _shown(request, closed)


async def delete(request: web.Request) -> web.Response:
    """Take a run out of lists and reads; its sessions stay."""
    who = authorised(request, "sessions:write")
    catalog = request.app[CATALOG]
    async with catalog.alone:
        run = await found(catalog, RUN, request.match_info["id"], who)
        product = await catalog.get(PRODUCT.type, run.parent, who)
        if run.data[ORDINAL] > product.data.get(LAST_ORDINAL, 0):
            last = {LAST_ORDINAL: run.data[ORDINAL]}
            await catalog.change(PRODUCT.type, product.id, lambda _: last, who)
        await catalog.delete(RUN.type, run.id, who)
    return web.Response(status=204)


async def open_run(catalog: Catalog, public: str, who: Caller) -> Entry:
    """The run that a session is to join; raises NotFound, and Failure for one that is closed."""
    run = await found(catalog, RUN, public, who)
    wire_runs.open_(run)
    return run


async def _entered(catalog: Catalog, body: wire_runs.NewRun, who: Caller) -> Entry:
    product = await found(catalog, PRODUCT, body.product_id, who)
    if body.version_id is not None:
        version = await found(catalog, VERSION, body.version_id, who)
        if version.parent != product.id:
            raise bad("versionId", "the version is of another product")
    async with catalog.alone:
        if body.custom_id is not None:
            field = (CUSTOM_ID, body.custom_id)
            if await catalog.list(RUN.type, who, parent=product.id, field=field):
                raise NameTaken("Run with the same customId")
        product = await catalog.get(PRODUCT.type, product.id, who)
        newest = await catalog.newest(RUN.type, who, parent=product.id)
        last = newest.data[ORDINAL] if newest else 0
        ordinal = max(last, product.data.get(LAST_ORDINAL, 0)) + 1
        data: dict[str, Any] = wire_runs.run_data(body, ordinal, who.actor)
        new = NewEntry(type=RUN.type, parent=product.id, data=data)
        return await catalog.enter(new, within(who, product))


async def _shown(request: web.Request, run: Entry) -> web.Response:
    counts = await _counts(request, [run])
    return json_answer(wire_runs.run_view(run, counts.get(run.id, 0)))


async def _counts(request: web.Request, runs: Sequence[Entry]) -> dict[str, int]:
    """How many sessions belong to each of the runs that have any."""
    await request.app[FOLLOWER].reached(request.app[LOG].size)
    ids = {public_id(RUN.prefix, run.id): run.id for run in runs}
    counts = await count_by_reference(request.app[VIEWS], "runId", list(ids))
    return {ids[public]: count for public, count in counts.items()}
