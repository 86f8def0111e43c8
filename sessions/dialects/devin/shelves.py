"""Handlers of knowledge and playbooks: made, listed, read, changed and deleted (section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.events.access import Scope
from projections.folds.catalog import Entry
from projections.folds.merging import merged
from sessions.caller import Caller
from sessions.catalog import Catalog, Changes, NewEntry
from sessions.dialects.devin import wire_shelves
from sessions.dialects.devin.ids import NOTE, PLAYBOOK, uuid_of
from sessions.dialects.reading import json_answer
from sessions.domain.rejections import NotFound
from sessions.failure import Failure
from sessions.web.appkeys import CATALOG
from sessions.web.auth import authorised
from sessions.web.bodies import json_body
from sessions.web.surface import Handler

# A list shows everything at once: what one tenant keeps on one shelf must be fit to be answered.
ENTRIES_MAX: Final = 1_000
BYTES_MAX: Final = 16 << 20
_any: Final = msgspec.json.Decoder(Any)


class Shelf(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing that a team writes down for its agents."""

    path: str
    type: str
    prefix: str
    new: Callable[[Any], dict[str, Any]]
    changed: Callable[[Any], dict[str, Any]]
    view: Callable[[Entry], Any]
    views: Callable[[Sequence[Entry]], Any]
    caller: Callable[[web.Request, Scope], Caller] = authorised


KNOWLEDGE: Final = Shelf(
    path="knowledge",
    type="knowledge",
    prefix=NOTE,
    new=wire_shelves.new_note,
    changed=wire_shelves.changed_note,
    view=wire_shelves.note_view,
    views=wire_shelves.knowledge_view,
)
PLAYBOOKS: Final = Shelf(
    path="playbooks",
    type="playbook",
    prefix=PLAYBOOK,
    new=wire_shelves.new_playbook,
    changed=wire_shelves.changed_playbook,
    view=wire_shelves.playbook_view,
    views=wire_shelves.playbooks_view,
)


def entering(shelf: Shelf) -> Handler:
    """The handler that puts something on the shelf."""

    async def create(request: web.Request) -> web.Response:
        who = shelf.caller(request, "sessions:write")
        data = {**shelf.new(await json_body(request, _any)), wire_shelves.AUTHOR: who.actor}
        catalog = request.app[CATALOG]
        async with catalog.alone:
            await _check_room(catalog, shelf, who, who.tenant, data)
            entry = await catalog.enter(NewEntry(type=shelf.type, data=data), who)
        return json_answer(shelf.view(entry))

    return create


def listing(shelf: Shelf) -> Handler:
    """The handler that shows all that is on the shelf, newest first."""

    async def list_(request: web.Request) -> web.Response:
        who = shelf.caller(request, "sessions:read")
        return json_answer(shelf.views(await request.app[CATALOG].list(shelf.type, who)))

    return list_


def reading(shelf: Shelf) -> Handler:
    """The handler that shows one thing of the shelf."""

    async def get(request: web.Request) -> web.Response:
        who = shelf.caller(request, "sessions:read")
        entry = await request.app[CATALOG].get(shelf.type, id_asked(request, shelf), who)
        return json_answer(shelf.view(entry))

    return get


def changing(shelf: Shelf) -> Handler:
    """The handler that changes what is given of one thing; null clears what may be absent."""

    async def update(request: web.Request) -> web.Response:
        who = shelf.caller(request, "sessions:write")
        data = shelf.changed(await json_body(request, _any))
        catalog, entry_id = request.app[CATALOG], id_asked(request, shelf)
        entry = await catalog.get(shelf.type, entry_id, who)
        async with catalog.alone:
            whole = merged(entry.data, data)
            await _check_room(catalog, shelf, who, entry.tenant, whole, instead_of=entry_id)
            entry = await catalog.change(shelf.type, entry_id, _edited(data, who), who)
        return json_answer(shelf.view(entry))

    return update


def removing(shelf: Shelf) -> Handler:
    """The handler that takes one thing from the shelf for good."""

    async def delete(request: web.Request) -> web.Response:
        who = shelf.caller(request, "sessions:write")
        await request.app[CATALOG].delete(shelf.type, id_asked(request, shelf), who)
        return web.Response(status=204)

    return delete


def _edited(data: dict[str, Any], who: Caller) -> Changes:
    """These changes by their editor; who changes nothing edits nothing."""

    def changes(entry: Entry) -> dict[str, Any]:
        if all(entry.data.get(name) == value for name, value in data.items()):
            return {}
        return {**data, wire_shelves.EDITOR: who.actor}

    return changes


def id_asked(request: web.Request, shelf: Shelf) -> str:
    """The id in the path; raises NotFound for what is none."""
    found = uuid_of(shelf.prefix, request.match_info["id"])
    if found is None:
        raise NotFound(f"There is no such {shelf.type}.")
    return found


async def _check_room(
    catalog: Catalog,
    shelf: Shelf,
    who: Caller,
    tenant: str,
    data: dict[str, Any],
    *,
    instead_of: str = "",
) -> None:
    """Raises Failure 400 where the shelf of the tenant has no room for `data`."""
    entries = await catalog.list(shelf.type, who, tenant=tenant)
    there = [entry for entry in entries if entry.id != instead_of]
    size = sum(len(msgspec.json.encode(kept)) for kept in (data, *(e.data for e in there)))
    if len(there) >= ENTRIES_MAX:
        raise _full(f"{ENTRIES_MAX} entries")
    if size > BYTES_MAX:
        raise _full(f"{BYTES_MAX} bytes")


def _full(limit: str) -> Failure:
    return Failure(400, "limit_reached", f"There is no room for more than {limit} of these.")
