"""Handlers of what Galtea's sessions refer to: decode, call, encode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.catalog import Entry
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects.galtea import entities, queries, references
from sessions.dialects.galtea.entities import PARENTS, Entity
from sessions.dialects.galtea.wire import uuid_of
from sessions.dialects.reading import json_answer
from sessions.web.appkeys import CATALOG
from sessions.web.auth import authorised
from sessions.web.bodies import json_body
from sessions.web.surface import Handler

Enter = Callable[[Catalog, Any, Caller], Awaitable[Entry]]
_wanted: Final = msgspec.json.Decoder(entities.WantedVersion)


def entering(entity: Entity, body: type[Any], enter: Enter) -> Handler:
    """The handler that makes an entity; it answers 201 (section 7)."""
    decoder = msgspec.json.Decoder(body)

    async def create(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:write")
        asked = await json_body(request, decoder)
        entry = await enter(request.app[CATALOG], asked, who)
        return json_answer(entities.view(entity, entry), 201)

    return create


def reading(entity: Entity) -> Handler:
    """The handler that answers one entity by its id; 404 if there is none (section 3)."""

    async def get(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:read")
        public = request.match_info["id"]
        entry = await references.found(request.app[CATALOG], entity, public, who)
        return json_answer(entities.view(entity, entry))

    return get


def listing(entity: Entity) -> Handler:
    """The handler that answers a bare array, newest first unless `sort` says otherwise.

    An unknown id is 404, an unknown parent an empty page (section 3).
    """

    async def list_(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:read")
        part = queries.page(request)
        entries = await _entries(request, entity, who)
        views = [entities.view(entity, entry) for entry in entries]
        for name, field in entity.filters.items():
            wanted = queries.array(request, name)
            views = [item for item in views if not wanted or item[field] in wanted]
        return json_answer(part.of(views))

    return list_


async def get_or_create_version(request: web.Request) -> web.Response:
    """The version with these facts: 200 if there was one, 201 if it was made (section 7)."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _wanted)
    entry, made = await references.version_with_facts(request.app[CATALOG], body, who)
    return json_answer(entities.view(entities.VERSION, entry), 201 if made else 200)


async def _entries(request: web.Request, entity: Entity, who: Caller) -> list[Entry]:
    catalog = request.app[CATALOG]
    wanted = queries.array(request, "ids")
    if wanted:
        named = [await references.found(catalog, entity, public, who) for public in wanted]
        distinct = {entry.id: entry for entry in named}
        return sorted(distinct.values(), key=lambda entry: entry.created, reverse=True)
    parents = queries.array(request, f"{entity.parent}s") if entity.parent else []
    if not parents:
        return await catalog.list(entity.type, who)
    above = PARENTS[entity.type].prefix
    uuids = {uuid for public in parents if (uuid := uuid_of(above, public)) is not None}
    found = [e for uuid in uuids for e in await catalog.list(entity.type, who, parent=uuid)]
    return sorted(found, key=lambda entry: entry.created, reverse=True)
