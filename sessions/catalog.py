"""The things that sessions refer to, such as product versions: entered, changed, deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from eventstore.codec import Fact
from eventstore.commit import START, Append, Position
from eventstore.errors import Conflict
from eventstore.ports import EventLog
from projections.events import CODEC
from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.folds.catalog import PREFIX, Entry
from projections.folds.merging import merged
from projections.follower import Follower
from projections.views.lists import list_entries
from projections.views.store import Views
from sessions import ids
from sessions.caller import Caller
from sessions.domain.rejections import NotFound, RevisionMismatch

PAGE: Final = 1000
CONFLICT_RETRIES_MAX: Final = 16

Changes = Callable[[Entry], Mapping[str, Any]]
"""The keys of an entry's data to set, None to clear one; may be asked more than once."""
# As JSON, because to Python 1 and True are equal.
_json: Final = msgspec.json.Encoder(order="deterministic").encode


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to make; `parent` is the id of the entry it belongs to.

    Who needs its `id` before it is there, to seal what belongs in it, brings one.
    """

    type: str
    data: dict[str, Any]
    parent: str = ""
    id: str = ""
    facts: tuple[Fact, ...] = ()
    """What else is true of it at once."""


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
        """The new entry, in the tenant of `who`; raises Conflict where its id is taken."""
        fact = CatalogEntered(type=new.type, parent=new.parent, data=new.data)
        entry_id = new.id or ids.uuid7()
        return await self._append(entry_id, START, (fact, *new.facts), who, who.tenant)

    async def change(
        self,
        type: str,
        entry_id: str,
        changes_of: Changes,
        who: Caller,
        *,
        expected: Position | None = None,
    ) -> Entry:
        """The entry after what `changes_of` makes of it, asked anew where somebody was faster.

        Raises what `changes_of` raises, NotFound, and RevisionMismatch unless at `expected`.
        """

        def fact_of(entry: Entry) -> Fact | None:
            data = dict(changes_of(entry))
            same = _json(merged(entry.data, data)) == _json(merged(entry.data, {}))
            return None if same else CatalogChanged(data=data)

        return await self._evolve(type, entry_id, fact_of, who, expected)

    async def delete(
        self, type: str, entry_id: str, who: Caller, *, expected: Position | None = None
    ) -> Entry:
        """The entry, which nobody finds any more; raises NotFound and RevisionMismatch."""
        return await self._evolve(type, entry_id, lambda _: CatalogDeleted(), who, expected)

    async def remove(self, entry_id: str, who: Caller) -> None:
        """See to it that nobody finds the entry any more, whatever it is."""
        with contextlib.suppress(NotFound):
            await self._evolve(None, entry_id, lambda _: CatalogDeleted(), who, None)

    async def get(self, type: str, entry_id: str, who: Caller) -> Entry:
        """The entry of that type; raises NotFound."""
        return await self._get(type, entry_id, who)

    async def newest(self, type: str, who: Caller, *, parent: str) -> Entry | None:
        """The entry of that type and parent that was entered last."""
        async for page in self.pages(type, who, parent=parent, limit=1):
            return page[0] if page else None
        return None

    async def list(
        self,
        type: str,
        who: Caller,
        *,
        tenant: str | None = None,
        parent: str | None = None,
        field: tuple[str, str] | None = None,
    ) -> list[Entry]:
        """All entries of that type, newest first, that hold what `field` says (name and text).

        Of `tenant` alone if it is given, which else only an admin's list is not.
        """
        pages = self.pages(type, who, tenant=tenant, parent=parent, field=field)
        return [entry async for page in pages for entry in page]

    async def pages(
        self,
        type: str,
        who: Caller,
        *,
        tenant: str | None = None,
        parent: str | None = None,
        field: tuple[str, str] | None = None,
        limit: int = PAGE,
    ) -> AsyncIterator[Sequence[Entry]]:
        """What `list` holds, in pages of `limit`, for who may not need all of it."""
        await self._follower.reached(self._log.size)
        if tenant is None:
            tenant = await self._tenant_of(parent) if who.admin else who.tenant
        if tenant is not None and not who.sees(tenant):
            return
        before: int | None = None
        while True:
            page = await list_entries(
                self._views,
                tenant=tenant,
                type=type,
                parent=parent,
                field=field,
                before=before,
                limit=limit,
            )
            yield page
            if len(page) < limit:
                return
            before = page[-1].created

    async def _tenant_of(self, parent: str | None) -> str | None:
        """Where the entries of a parent are: an index finds those of one tenant alone."""
        above: Entry | None = await self._follower.states.get(PREFIX + parent) if parent else None
        return above.tenant if above is not None else None

    async def _get(self, type: str | None, entry_id: str, who: Caller) -> Entry:
        entry: Entry | None = await self._follower.states.get(PREFIX + entry_id)
        gone = entry is None or entry.deleted or type not in (None, entry.type)
        if entry is None or gone or not who.sees(entry.tenant):
            raise NotFound(f"There is no such {(type or 'entry').replace('_', ' ')}.")
        return entry

    async def _evolve(
        self,
        type: str | None,
        entry_id: str,
        fact_of: Callable[[Entry], Fact | None],
        who: Caller,
        expected: Position | None,
    ) -> Entry:
        for attempt in range(CONFLICT_RETRIES_MAX):
            entry = await self._get(type, entry_id, who)
            if expected is not None and expected != entry.position:
                raise RevisionMismatch(entry.position)
            fact = fact_of(entry)
            if fact is None:
                return entry
            try:
                return await self._append(entry_id, entry.position, (fact,), who, entry.tenant)
            except Conflict:
                if attempt == CONFLICT_RETRIES_MAX - 1:
                    raise
        raise AssertionError("unreachable")

    async def _append(
        self,
        entry_id: str,
        expected: Position,
        facts: tuple[Fact, ...],
        who: Caller,
        tenant: str,
    ) -> Entry:
        stream = PREFIX + entry_id
        wish = Append(
            stream=stream,
            expected=expected,
            commit_id=ids.commit_id(),
            events=tuple(map(CODEC.encode, facts)),
            actor=who.actor,
            tenant=tenant,
            correlation_id=who.correlation_id,
            traceparent=who.traceparent,
        )
        await self._log.append(wish)
        entry: Entry = await self._follower.states.get(stream)
        return entry
