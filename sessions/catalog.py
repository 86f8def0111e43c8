"""The things that sessions refer to, such as product versions: entered once, then only read."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from eventstore.commit import START, Append
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.catalog import CatalogEntered
from projections.folds.catalog import PREFIX, Entry
from projections.follower import Follower
from projections.views.lists import list_entries
from projections.views.store import Views
from sessions import ids
from sessions.caller import Caller
from sessions.domain.rejections import NotFound

PAGE: Final = 1000


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to make; `parent` is the id of the entry it belongs to."""

    type: str
    data: dict[str, Any]
    parent: str = ""


class Catalog:
    """Every entry of every tenant.

    Whoever enters a thing only where there is none like it holds `alone` from the look to the
    entry. That is enough, because one process at a time writes the log.
    """

    def __init__(self, log: EventLog, follower: Follower, views: Views) -> None:
        self.alone = asyncio.Lock()
        self._log = log
        self._follower = follower
        self._views = views

    async def enter(self, new: NewEntry, who: Caller) -> Entry:
        """The new entry, in the tenant of `who`."""
        fact = CatalogEntered(type=new.type, parent=new.parent, data=new.data)
        stream = PREFIX + ids.uuid7()
        wish = Append(
            stream=stream,
            expected=START,
            commit_id=ids.commit_id(),
            events=(CODEC.encode(fact),),
            actor=who.actor,
            tenant=who.tenant,
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self._log.append(wish)
        entry: Entry = await self._follower.states.get(stream)
        return entry

    async def get(self, type: str, entry_id: str, who: Caller) -> Entry:
        """The entry of that type; raises NotFound."""
        entry: Entry | None = await self._follower.states.get(PREFIX + entry_id)
        if entry is None or entry.type != type or not who.sees(entry.tenant):
            raise NotFound(f"There is no such {type.replace('_', ' ')}.")
        return entry

    async def newest(self, type: str, who: Caller, *, parent: str) -> Entry | None:
        """The entry of that type and parent that was entered last."""
        tenant = await self._tenant(who)
        found = await list_entries(self._views, tenant=tenant, type=type, parent=parent, limit=1)
        return found[0] if found else None

    async def list(
        self,
        type: str,
        who: Caller,
        *,
        parent: str | None = None,
        field: tuple[str, str] | None = None,
    ) -> list[Entry]:
        """All entries of that type, newest first, that hold what `field` says (name and text)."""
        tenant = await self._tenant(who)
        found: list[Entry] = []
        before: int | None = None
        while True:
            page = await list_entries(
                self._views,
                tenant=tenant,
                type=type,
                parent=parent,
                field=field,
                before=before,
                limit=PAGE,
            )
            found += page
            if len(page) < PAGE:
                return found
            before = page[-1].created

    async def _tenant(self, who: Caller) -> str | None:
        await self._follower.reached(self._log.size)
        return None if who.admin else who.tenant
