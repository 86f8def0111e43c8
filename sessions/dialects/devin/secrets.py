"""An account's secrets: kept sealed, never shown, handed to those who do a session's work."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from eventstore.vault import Vault
from projections.folds.catalog import PREFIX, Entry
from projections.folds.session import Session
from sessions import ids
from sessions.caller import Caller
from sessions.catalog import Catalog, NewEntry
from sessions.dialects.devin import wire_secrets
from sessions.dialects.devin.ids import SECRET, uuid_of
from sessions.dialects.reading import json_answer
from sessions.domain import policy
from sessions.domain.rejections import NotFound
from sessions.failure import Failure
from sessions.web.appkeys import CATALOG, ERASURES, VAULT
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

TYPE: Final = "secret"
DELETED: Final = {"message": "Secret deleted successfully"}
_any: Final = msgspec.json.Decoder(Any)


async def create(request: web.Request) -> web.Response:
    """Keep a secret; 409 where the account has one of that name."""
    who = authorised(request, "sessions:write")
    body = wire_secrets.new_secret(await json_body(request, _any))
    return json_answer(wire_secrets.made(await kept(request, body, who)))


async def kept(request: web.Request, body: wire_secrets.NewSecret, who: Caller) -> Entry:
    """The new secret; raises Failure 409 where the account has one of that name, and 400."""
    catalog = request.app[CATALOG]
    async with catalog.alone:
        there = await catalog.list(TYPE, who, tenant=who.tenant)
        if any(entry.data["key"] == body.key for entry in there):
            raise Failure(409, "name_taken", wire_secrets.NOT_UNIQUE)
        if len(there) >= policy.SECRETS_MAX:
            detail = f"An account has at most {policy.SECRETS_MAX} secrets."
            raise Failure(400, "limit_reached", detail)
        entry_id = ids.uuid7()
        sealed = await request.app[VAULT].seal(PREFIX + entry_id, body.value)
        data = wire_secrets.data_of(body, sealed, who.actor)
        return await catalog.enter(NewEntry(type=TYPE, data=data, id=entry_id), who)


async def list_(request: web.Request) -> web.Response:
    """The names of all secrets, newest first, as a bare array."""
    who = authorised(request, "sessions:read")
    entries = await request.app[CATALOG].list(TYPE, who)
    return json_answer(list(map(wire_secrets.secret_view, entries)))


async def delete(request: web.Request) -> web.Response:
    """Delete a secret; its key is destroyed, so that nothing tells its value any more."""
    await destroyed(request, authorised(request, "sessions:write"))
    return json_answer(DELETED)


async def destroyed(request: web.Request, who: Caller) -> Entry:
    """The secret of the path as it was; raises NotFound."""
    entry_id = uuid_of(SECRET, request.match_info["id"])
    if entry_id is None:
        raise NotFound("There is no such secret.")
    entry = await request.app[CATALOG].get(TYPE, entry_id, who)
    await request.app[ERASURES].erase_entry(entry, who)
    return entry


async def secrets_for(catalog: Catalog, vault: Vault, session: Session) -> dict[str, str]:
    """The values, by name, of the account's secrets that a session of Devin's may have.

    Its `secret_ids` say which: null is all of them, an empty list none. Raises VaultError.
    """
    wanted = session.spec.get("secret_ids")
    if session.dialect != "devin" or wanted == []:
        return {}
    who = Caller(actor=session.owner, tenant=session.tenant, scopes=("sessions:read",))
    named = wanted if isinstance(wanted, list) else None
    values: dict[str, str] = {}
    for entry in reversed(await catalog.list(TYPE, who)):
        if named is None or _is_named(entry, named):
            (value,) = await vault.unseal_many(PREFIX + entry.id, [entry.data[wire_secrets.SEALED]])
            if value is not None:  # else it is being deleted at this moment
                values[entry.data["key"]] = value
    return values


def _is_named(entry: Entry, wanted: list[Any]) -> bool:
    return any(isinstance(text, str) and uuid_of(SECRET, text) == entry.id for text in wanted)
