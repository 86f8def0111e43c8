"""Lists of sessions, machines and entries, by the position that created them.

The cursor is such a position. It never changes and new ones are larger, so a page never repeats
or skips a session, however many are made meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from projections.folds.access import Key
from projections.folds.catalog import Entry
from projections.folds.device import Device
from projections.folds.references import NAMES
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.marks import LABELS, REFERENCES
from projections.views.store import Views
from projections.views.where import Where, values_in

PAGE_MAX: Final = 1000
MERGED_MAX: Final = 64
# As many rows may be read for one page that is merged.
MERGED_ROWS_MAX: Final = MERGED_MAX * PAGE_MAX
# Not among the sessions that nobody started in time and that no clock has removed yet. A deadline
# is the first of all clocks: by its index there are few to look into.
NOT_EXPIRED: Final = (
    "s.created NOT IN (SELECT e.created FROM sessions AS e WHERE e.deadline <= ?"
    " AND e.status = 'pending' AND json_extract(e.state, '$.expires_at') <= ?)"
)
_session: Final = msgspec.json.Decoder(Session).decode
_vm: Final = msgspec.json.Decoder(Vm).decode
_key: Final = msgspec.json.Decoder(Key).decode
_entry: Final = msgspec.json.Decoder(Entry).decode
_device: Final = msgspec.json.Decoder(Device).decode


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a session must be to be listed; None and empty mean any.

    `labels`, `metadata` and the names of `refs` must all match; `kinds`, `statuses`, `dialects`,
    `owners`, `ids`, `labels_any` and the values of one name in `refs` are alternatives. The value
    "" stands for no reference of that name. `no_refs` leaves out those that match any of it.
    `since` and `until` bound the creation time in microseconds, `until` not included, as
    `updated_since` and `updated_until` do the time of the last change.
    """

    tenant: str | None = None
    ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    owner: str | None = None
    owners: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    labels_any: tuple[str, ...] = ()
    refs: Mapping[str, Sequence[str]] = {}
    no_refs: Mapping[str, Sequence[str]] = {}
    metadata: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    since: int | None = None
    until: int | None = None
    updated_since: int | None = None
    updated_until: int | None = None
    text: str | None = None


class VmFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine must be to be listed; None and empty mean any."""

    tenant: str | None = None
    statuses: tuple[str, ...] = ()
    session: str | None = None


async def list_sessions(
    views: Views,
    wanted: SessionFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    ascending: bool = False,
    offset: int = 0,
    limit: int,
) -> list[Session]:
    """Up to `limit` sessions that were created between the positions, newest first or oldest first.

    The first `offset` of them are left out. An index has the order where one tenant, reference or
    label is asked for: lists of several are merged, as long as they are few.
    """
    part = _Part(before, after, ascending)
    limit = min(limit, PAGE_MAX)
    alternatives = _alternatives(views, wanted)
    # Each of these pages is short, and all of them are read at once; one with two of the labels is
    # on two of them.
    few = (
        len(alternatives) <= MERGED_MAX and len(alternatives) * (offset + limit) <= MERGED_ROWS_MAX
    )
    if len(alternatives) > 1 and few:
        union, parameters = _union(alternatives, part, offset + limit)
        source = f"sessions AS s WHERE s.created IN ({union})"
        sql = f"SELECT s.state FROM {source} {part.ordered('s.created')}"
        parameters += [limit, offset]
    else:
        one = alternatives[0] if len(alternatives) == 1 else wanted
        sql, parameters = _page("s.state", one, part, limit, offset)
    return await views.listed(_session, sql, parameters)


async def count_sessions(views: Views, wanted: SessionFilter) -> int:
    """How many sessions a list without an end would hold."""
    alternatives = [wanted] if wanted.tenant is None else _alternatives(views, wanted)
    if len(alternatives) > MERGED_MAX:
        alternatives = [wanted]
    # In the order of the list: the planner would take an index that jumps between the rows.
    union, parameters = _union(alternatives, _Part(None, None, ascending=True), -1)
    [(count,)] = await views.fetch(f"SELECT count(*) FROM ({union})", parameters)
    return int(count)


class _Part(msgspec.Struct, frozen=True):
    """Between which positions a part of a list is, and in which order."""

    before: int | None
    after: int | None
    ascending: bool

    def ordered(self, order: str) -> str:
        return f"ORDER BY {order} {'ASC' if self.ascending else 'DESC'} LIMIT ? OFFSET ?"


def _page(
    columns: str, wanted: SessionFilter, part: _Part, limit: int, offset: int
) -> tuple[str, list[object]]:
    """The query of a page, by one index, with its parameters."""
    source, where, order = _source(wanted)
    if part.before is not None:
        where.add(f"{order} < ?", part.before)
    if part.after is not None:
        where.add(f"{order} > ?", part.after)
    listed = f"SELECT {columns.format(order=order)} FROM {source} WHERE {where.sql()}"
    return f"{listed} {part.ordered(order)}", [*where.parameters, limit, offset]


def _union(alternatives: list[SessionFilter], part: _Part, limit: int) -> tuple[str, list[object]]:
    """The query of what is on any of these pages, each time once, with its parameters."""
    pages = [_page("{order} AS created", one, part, limit, 0) for one in alternatives]
    union = " UNION ".join(f"SELECT created FROM ({page})" for page, _ in pages)
    return union, [value for _, values in pages for value in values]


def _alternatives(views: Views, wanted: SessionFilter) -> list[SessionFilter]:
    """Filters whose lists make up the one that is wanted, each with the order of one index."""
    tenants = [wanted.tenant] if wanted.tenant is not None else sorted(views.tenants)
    found = [replace(wanted, tenant=tenant) for tenant in tenants]
    name = _leading_name(wanted)
    if name is not None:
        values = dict.fromkeys(wanted.refs[name])
        return [
            replace(one, refs={**wanted.refs, name: (value,)}) for one in found for value in values
        ]
    if wanted.labels_any and not wanted.labels:
        labels = dict.fromkeys(wanted.labels_any)
        return [replace(one, labels_any=(label,)) for one in found for label in labels]
    if len(wanted.kinds) == 1 and len(wanted.statuses) > 1 and _leading_label(wanted) is None:
        statuses = dict.fromkeys(wanted.statuses)
        return [replace(one, statuses=(status,)) for one in found for status in statuses]
    return found or [wanted]


def _leading_name(wanted: SessionFilter) -> str | None:
    """The reference by whose index a list is found: that which the fewest sessions share."""
    if wanted.ids:
        return None
    return next(
        (name for name in NAMES if wanted.refs.get(name) and "" not in wanted.refs[name]), None
    )


def _source(wanted: SessionFilter) -> tuple[str, Where, str]:
    """The tables of a list, its conditions, and the column of its order.

    The index of a mark leads, if one is given: CROSS JOIN keeps the planner from turning the two
    around.
    """
    where = Where()
    name, label = _leading_name(wanted), _leading_label(wanted)
    if name is not None:
        table = REFERENCES.table
        values = wanted.refs[name]
        where.add("m.name = ?", name)
        if len(values) == 1:  # only then the index has the order
            where.add("m.value = ?", values[0])
        else:
            where.add("m.value IN (SELECT value FROM json_each(?))", values_in(values))
        rest = {other: wanted.refs[other] for other in wanted.refs if other != name}
        wanted = replace(wanted, refs=rest)
    elif label is not None:
        table = LABELS.table
        where.add("m.label = ?", label)
        any_ = wanted.labels_any if wanted.labels else ()
        wanted = replace(wanted, labels=wanted.labels[1:], labels_any=any_)
    else:
        _sessions_where(wanted, where)
        return "sessions AS s", where, "s.created"
    if wanted.tenant is not None:
        where.add("m.tenant = ?", wanted.tenant)
    _sessions_where(wanted, where)
    joined = f"{table} AS m CROSS JOIN sessions AS s ON s.created = m.created"
    return joined, where, "m.created"


def _leading_label(wanted: SessionFilter) -> str | None:
    if wanted.ids or wanted.tenant is None:
        return None
    if wanted.labels:
        return wanted.labels[0]
    return wanted.labels_any[0] if len(wanted.labels_any) == 1 else None


def _sessions_where(wanted: SessionFilter, where: Where) -> None:
    where.add("s.deleted = 0")
    if wanted.ids:
        where.add("s.id IN (SELECT value FROM json_each(?))", values_in(wanted.ids))
    if wanted.tenant is not None:
        where.add("+s.tenant = ?" if wanted.ids else "s.tenant = ?", wanted.tenant)
    by_status = len(wanted.kinds) == len(wanted.statuses) == 1
    where.one_of("s.kind" if by_status else "+s.kind", wanted.kinds)
    where.one_of("s.status" if by_status else "+s.status", wanted.statuses)
    where.one_of("+s.dialect", wanted.dialects)
    if wanted.owner is not None:
        where.add("s.owner = ?", wanted.owner)
    where.one_of("s.owner", wanted.owners)
    _marks_where(wanted, where)
    for key, value in wanted.metadata:
        where.add(
            "EXISTS (SELECT 1 FROM json_each(s.state, '$.metadata') AS j"
            " WHERE j.key = ? AND j.value IS ? AND j.type IN (?, ?))",
            *(key, value, *_json_types(value)),
        )
    updated = "json_extract(s.state, '$.updated_at')"
    for column, bound in (
        ("s.created_at >=", wanted.since),
        ("s.created_at <", wanted.until),
        (f"{updated} >=", wanted.updated_since),
        (f"{updated} <", wanted.updated_until),
    ):
        if bound is not None:
            where.add(f"{column} ?", bound)
    if wanted.text is not None:
        where.add("instr(s.text, ?) > 0", wanted.text.lower())


def _marks_where(wanted: SessionFilter, where: Where) -> None:
    for label in wanted.labels:
        where.add(_LABELLED, values_in((label,)))
    if wanted.labels_any:
        where.add(_LABELLED, values_in(wanted.labels_any))
    for name, values in wanted.refs.items():
        if values:
            none = f" OR NOT {_NAMED}" if "" in values else ""
            named = (name,) if none else ()
            where.add(f"({_REFERRING}{none})", name, values_in(values), *named)
    for name, values in wanted.no_refs.items():
        where.add(f"NOT {_REFERRING}", name, values_in(values))
        if "" in values:
            where.add(_NAMED, name)


_LABELLED: Final = (
    "EXISTS (SELECT 1 FROM session_labels AS l WHERE l.created = s.created"
    " AND l.label IN (SELECT value FROM json_each(?)))"
)
_REFERRING: Final = (
    "EXISTS (SELECT 1 FROM session_refs AS r WHERE r.created = s.created AND r.name = ?"
    " AND r.value IN (SELECT value FROM json_each(?)))"
)
_NAMED: Final = (
    "EXISTS (SELECT 1 FROM session_refs AS r WHERE r.created = s.created AND r.name = ?)"
)


def _json_types(value: str | int | float | bool | None) -> tuple[str, str]:
    """The JSON types that `value` may have: to SQLite, true and 1 are one value."""
    match value:
        case None:
            return "null", "null"
        case bool():
            return ("true", "true") if value else ("false", "false")
        case str():
            return "text", "text"
        case _:
            return "integer", "real"


async def list_vms(views: Views, wanted: VmFilter, *, before: int | None, limit: int) -> list[Vm]:
    """Up to `limit` machines that were requested before the position `before`, newest first."""
    where = Where()
    where.add("v.created < ?", before if before is not None else (1 << 62))
    if wanted.tenant is not None:
        where.add("v.tenant = ?", wanted.tenant)
    if wanted.session is not None:
        where.add("v.session = ?", wanted.session)
    where.one_of("v.status", wanted.statuses)
    sql = f"SELECT v.state FROM vms AS v WHERE {where.sql()} ORDER BY v.created DESC LIMIT ?"
    return await views.listed(_vm, sql, (*where.parameters, min(limit, PAGE_MAX)))


async def list_entries(
    views: Views,
    *,
    tenant: str | None,
    type: str,
    parent: str | None = None,
    field: tuple[str, str] | None = None,
    before: int | None = None,
    limit: int = PAGE_MAX,
) -> list[Entry]:
    """Up to `limit` catalog entries of one type, newest first; `tenant` None sees every tenant.

    `field` is a name and the text that the entry's data must hold under it.
    """
    where = Where()
    where.add("c.type = ? AND c.deleted = 0", type)
    if tenant is not None:
        where.add("c.tenant = ?", tenant)
    if parent is not None:
        where.add("c.parent = ?", parent)
    if field is not None:
        where.add("json_extract(c.state, '$.data.' || ?) = ?", *field)
    if before is not None:
        where.add("c.created < ?", before)
    sql = f"SELECT c.state FROM catalog AS c WHERE {where.sql()} ORDER BY c.created DESC LIMIT ?"
    return await views.listed(_entry, sql, (*where.parameters, min(limit, PAGE_MAX)))


async def sessions_by_id_prefix(
    views: Views, prefix: str, *, tenant: str | None, kind: str, now: int, limit: int
) -> list[Session]:
    """Up to `limit` sessions of one kind whose ids begin with `prefix`, none expired by `now`."""
    where = Where()
    where.add("s.id >= ? AND s.id < ?", prefix, prefix + "\U0010ffff")
    where.add("s.deleted = 0")
    where.add("s.kind = ?", kind)
    where.add(NOT_EXPIRED, now, now)
    if tenant is not None:
        # The unary plus keeps the planner on the index of the ids.
        where.add("+s.tenant = ?", tenant)
    sql = f"SELECT s.state FROM sessions AS s WHERE {where.sql()} ORDER BY s.id LIMIT ?"
    return await views.listed(_session, sql, (*where.parameters, limit))


async def all_keys(views: Views) -> list[Key]:
    """Every key, oldest first."""
    return await views.listed(_key, "SELECT k.state FROM keys AS k ORDER BY k.created", ())


async def devices_there(views: Views) -> list[Device]:
    """Every device that was not removed, oldest first."""
    sql = "SELECT d.state FROM devices AS d WHERE d.deleted = 0 ORDER BY d.created"
    return await views.listed(_device, sql, ())
