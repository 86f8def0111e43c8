"""Handlers of what Galtea's sessions refer to: decode, call, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.catalog import Entry
from sessions.caller import Caller
from sessions.catalog import Catalog
from sessions.dialects.galtea import entities, entity_changes, queries, references
from sessions.dialects.galtea.case_filters import case_filter
from sessions.dialects.galtea.entities import PARENTS, Entity
from sessions.dialects.galtea.queries import Page
from sessions.dialects.galtea.room import Room
from sessions.dialects.reading import json_answer, json_array
from sessions.dialects.uuids import uuids_of
from sessions.web.appkeys import CATALOG
from sessions.web.auth import authorised
from sessions.web.bodies import json_body
from sessions.web.surface import Handler

Enter = Callable[[Catalog, Any, Caller], Awaitable[Entry]]
Alter = Callable[[Catalog, str, Any, Caller], Awaitable[Entry]]
Holds = Callable[[Entry], bool]
"""True if a list holds the entry."""
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


def changing(entity: Entity, body: type[Any], alter: Alter) -> Handler:
    """The handler that changes an entity: absent keeps a field, null clears it (section 7)."""
    decoder = msgspec.json.Decoder(body)

    async def change(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:write")
        asked = await json_body(request, decoder)
        entry = await alter(request.app[CATALOG], request.match_info["id"], asked, who)
        return json_answer(entities.view(entity, entry))

    return change


def deleting(entity: Entity) -> Handler:
    """The handler that takes an entity out of lists and reads; it answers 204 (section 7)."""

    async def delete(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:write")
        await entity_changes.delete(request.app[CATALOG], entity, request.match_info["id"], who)
        return web.Response(status=204)

    return delete


def listing(entity: Entity) -> Handler:
    """The handler that answers a bare array, newest first unless `sort` says otherwise.

    An unknown id is 404, an unknown parent an empty page (section 3).
    """

    async def list_(request: web.Request) -> web.Response:
        who = authorised(request, "sessions:read")
        part = queries.page(request)
        found = await entries(request, entity, part, _wanted_of(request, entity), who)
        return await json_array(found, lambda entry: entities.view(entity, entry))

    return list_


def _wanted_of(request: web.Request, entity: Entity) -> Holds:
    filters = {field: queries.array(request, name) for name, field in entity.filters.items()}
    cases = case_filter(request) if entity is entities.TEST_CASE else None

    def holds(entry: Entry) -> bool:
        shown = entities.view(entity, entry)
        named = all(shown[field] in some for field, some in filters.items() if some)
        return named and (cases is None or cases.holds(shown))

    return holds


async def get_or_create_version(request: web.Request) -> web.Response:
    """The version with these facts: 200 if there was one, 201 if it was made (section 7)."""
    who = authorised(request, "sessions:write")
    body = await json_body(request, _wanted)
    entry, made = await references.version_with_facts(request.app[CATALOG], body, who)
    return json_answer(entities.view(entities.VERSION, entry), 201 if made else 200)


async def entries(
    request: web.Request,
    entity: Entity,
    part: Page,
    holds: Holds,
    who: Caller,
    *,
    field: tuple[str, str] | None = None,
) -> Sequence[Entry]:
    """The part of a list by the ids that are asked for, or by the parents; raises NotFound.

    It is of the entries that `field` finds, as `Catalog.list` has it, and that `holds` is true of.
    """
    catalog, room = request.app[CATALOG], Room()
    # Newest first, the rest of the list need not be read.
    most = None if part.ascending else part.offset + part.limit

    async def first(pages: AsyncIterator[Sequence[Entry]]) -> list[Entry]:
        found: list[Entry] = []
        async for page in pages:
            for entry in page:
                if len(found) == most:
                    return found
                if part.holds(entry.created_at) and holds(entry):
                    room.take(entry.data)
                    found.append(entry)
        return found

    named = dict.fromkeys(queries.array(request, "ids"))
    if named:
        there = [await references.found(catalog, entity, public, who) for public in named]
        there.sort(key=_created, reverse=True)
        return part.of(await first(_one_page(there)))
    found: list[Entry] = []
    for parent in _parents(request, entity):
        found += await first(catalog.pages(entity.type, who, parent=parent, field=field))
    return part.of(sorted(found, key=_created, reverse=True))


def _parents(request: web.Request, entity: Entity) -> Iterable[str | None]:
    """The parents that are asked for, None for any."""
    asked = queries.array(request, f"{entity.parent}s") if entity.parent else []
    if not asked:
        return (None,)
    above = PARENTS[entity.type].prefix
    return uuids_of(above, asked)


def _created(entry: Entry) -> int:
    return entry.created


async def _one_page(found: Sequence[Entry]) -> AsyncIterator[Sequence[Entry]]:
    yield found
