"""Handlers of what an organisation keeps for its agents: notes, playbooks and secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from projections.folds.catalog import Entry
from sessions.dialects.devin import secrets, shelves
from sessions.dialects.devin.v3 import wire_lists, wire_secrets, wire_shelves
from sessions.dialects.devin.v3.organisations import member
from sessions.dialects.devin.v3.wire import page_of
from sessions.dialects.devin.v3.wire_shelves import folders_view, notes_wanted
from sessions.dialects.reading import json_answer
from sessions.web.appkeys import CATALOG
from sessions.web.bodies import json_body
from sessions.web.surface import Handler

_any: Final = msgspec.json.Decoder(Any)

NOTES: Final = msgspec.structs.replace(
    shelves.KNOWLEDGE,
    path="knowledge/notes",
    new=wire_shelves.new_note,
    changed=wire_shelves.changed_note,
    view=wire_shelves.note_view,
    caller=member,
)
PLAYBOOKS: Final = msgspec.structs.replace(
    shelves.PLAYBOOKS,
    new=wire_shelves.new_playbook,
    changed=wire_shelves.changed_playbook,
    view=wire_shelves.playbook_view,
    caller=member,
)


def listing(shelf: shelves.Shelf) -> Handler:
    """The handler that shows a page of what is on the shelf, newest first."""

    async def list_(request: web.Request) -> web.Response:
        entries = await _there(request, shelf.type)
        if shelf is NOTES:
            entries = notes_wanted(request.query, entries)
        return _page(request, entries, shelf.view)

    return list_


def removing(shelf: shelves.Shelf) -> Handler:
    """The handler that takes one thing from the shelf; the answer is what it was."""

    async def delete(request: web.Request) -> web.Response:
        who = member(request, "sessions:write")
        catalog, entry_id = request.app[CATALOG], shelves.id_asked(request, shelf)
        entry = await catalog.get(shelf.type, entry_id, who)
        await catalog.delete(shelf.type, entry_id, who)
        return json_answer(shelf.view(entry))

    return delete


async def folders(request: web.Request) -> web.Response:
    """The folders that notes lie in."""
    return json_answer(folders_view(await _there(request, NOTES.type)))


async def secrets_create(request: web.Request) -> web.Response:
    """Keep a secret; 409 where the organisation has one of that name."""
    who = member(request, "sessions:write")
    body = wire_secrets.new_secret(await json_body(request, _any))
    return json_answer(wire_secrets.secret_view(await secrets.kept(request, body, who)))


async def secrets_list(request: web.Request) -> web.Response:
    """A page of the names of secrets, newest first."""
    return _page(request, await _there(request, secrets.TYPE), wire_secrets.secret_view)


async def secrets_delete(request: web.Request) -> web.Response:
    """Delete a secret and its key; the answer is what it was, without its value."""
    entry = await secrets.destroyed(request, member(request, "sessions:write"))
    return json_answer(wire_secrets.secret_view(entry))


async def _there(request: web.Request, type_: str) -> list[Entry]:
    return await request.app[CATALOG].list(type_, member(request, "sessions:read"))


def _page(
    request: web.Request, entries: Sequence[Entry], show: Callable[[Entry], Any]
) -> web.Response:
    first, before = wire_lists.first_of(request.query), wire_lists.before_of(request.query)
    rest = [one for one in entries if before is None or one.created < before]
    return json_answer(page_of(rest, first, show, lambda one: wire_lists.cursor_of(one.created)))
