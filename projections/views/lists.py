"""Lists of sessions and machines: newest first, by the position that created them.

The cursor is such a position. It never changes and new ones are larger, so a page never repeats
or skips a session, however many are made meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Final

import msgspec
from msgspec.structs import replace

from projections.folds.access import Key
from projections.folds.catalog import Entry
from projections.folds.device import Device
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.views.store import Views

PAGE_MAX: Final = 1000
TENANTS_MERGED_MAX: Final = 16
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

    `labels` and `metadata` must all match; `kinds`, `statuses` and `dialects` are alternatives.
    `since` and `until` bound the creation time in microseconds, `until` not included.
    """

    tenant: str | None = None
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    dialects: tuple[str, ...] = ()
    owner: str | None = None
    labels: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    since: int | None = None
    until: int | None = None
    text: str | None = None


class VmFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine must be to be listed; None and empty mean any."""

    tenant: str | None = None
    statuses: tuple[str, ...] = ()
    session: str | None = None


class _Where:
    """Conditions joined by AND, with their parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[object] = []

    def add(self, condition: str, *parameters: object) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def one_of(self, column: str, values: tuple[str, ...]) -> None:
        if len(values) == 1:
            self.add(f"{column} = ?", values[0])
        elif values:
            # The unary plus keeps the planner on the index that has the order.
            self.add(f"+{column} IN ({', '.join('?' * len(values))})", *values)

    def sql(self) -> str:
        return " AND ".join(self.conditions)


async def list_sessions(
    views: Views, wanted: SessionFilter, *, before: int | None, limit: int
) -> list[Session]:
    """Up to `limit` sessions that were created before the position `before`, newest first.

    The indexes begin with the tenant: who sees all of them gets their lists merged, as long as
    they are few.
    """
    if wanted.tenant is not None or len(views.tenants) > TENANTS_MERGED_MAX:
        return await _sessions_page(views, wanted, before, limit)
    pages = [
        await _sessions_page(views, replace(wanted, tenant=tenant), before, limit)
        for tenant in sorted(views.tenants)
    ]
    merged = heapq.merge(*pages, key=lambda state: -state.created)
    return list(itertools.islice(merged, limit))


async def _sessions_page(
    views: Views, wanted: SessionFilter, before: int | None, limit: int
) -> list[Session]:
    source, where, order = _source(wanted)
    _sessions_where(wanted, where)
    if before is not None:
        where.add(f"{order} < ?", before)
    sql = f"SELECT s.state FROM {source} WHERE {where.sql()} ORDER BY {order} DESC LIMIT ?"
    rows = await views.fetch(sql, (*where.parameters, min(limit, PAGE_MAX)))
    return [_session(state) for (state,) in rows]


def _source(wanted: SessionFilter) -> tuple[str, _Where, str]:
    """The tables of a list and the column of its order: a label's index leads where one is given.

    CROSS JOIN is what keeps the planner from turning the two around.
    """
    where = _Where()
    if not wanted.labels or wanted.tenant is None:
        return "sessions AS s", where, "s.created"
    where.add("l.label = ? AND l.tenant = ?", wanted.labels[0], wanted.tenant)
    joined = "session_labels AS l CROSS JOIN sessions AS s ON s.created = l.created"
    return joined, where, "l.created"


def _sessions_where(wanted: SessionFilter, where: _Where) -> None:
    where.add("s.deleted = 0")
    led_by_label = bool(where.parameters)
    if wanted.tenant is not None:
        where.add("s.tenant = ?", wanted.tenant)
    by_status = len(wanted.kinds) == len(wanted.statuses) == 1
    where.one_of("s.kind" if by_status else "+s.kind", wanted.kinds)
    where.one_of("s.status" if by_status else "+s.status", wanted.statuses)
    where.one_of("+s.dialect", wanted.dialects)
    if wanted.owner is not None:
        where.add("s.owner = ?", wanted.owner)
    for label in wanted.labels[1 if led_by_label else 0 :]:
        where.add(
            "EXISTS (SELECT 1 FROM session_labels AS m"
            " WHERE m.created = s.created AND m.label = ?)",
            label,
        )
    for key, value in wanted.metadata:
        where.add(
            "EXISTS (SELECT 1 FROM json_each(s.state, '$.metadata') AS m"
            " WHERE m.key = ? AND m.value IS ? AND m.type IN (?, ?))",
            *(key, value, *_json_types(value)),
        )
    if wanted.since is not None:
        where.add("s.created_at >= ?", wanted.since)
    if wanted.until is not None:
        where.add("s.created_at < ?", wanted.until)
    if wanted.text is not None:
        where.add("instr(s.text, ?) > 0", wanted.text.lower())


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
    where = _Where()
    where.add("v.created < ?", before if before is not None else (1 << 62))
    if wanted.tenant is not None:
        where.add("v.tenant = ?", wanted.tenant)
    if wanted.session is not None:
        where.add("v.session = ?", wanted.session)
    where.one_of("v.status", wanted.statuses)
    sql = f"SELECT v.state FROM vms AS v WHERE {where.sql()} ORDER BY v.created DESC LIMIT ?"
    rows = await views.fetch(sql, (*where.parameters, min(limit, PAGE_MAX)))
    return [_vm(state) for (state,) in rows]


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
    where = _Where()
    where.add("c.type = ?", type)
    if tenant is not None:
        where.add("c.tenant = ?", tenant)
    if parent is not None:
        where.add("c.parent = ?", parent)
    if field is not None:
        where.add("json_extract(c.state, '$.data.' || ?) = ?", *field)
    if before is not None:
        where.add("c.created < ?", before)
    sql = f"SELECT c.state FROM catalog AS c WHERE {where.sql()} ORDER BY c.created DESC LIMIT ?"
    rows = await views.fetch(sql, (*where.parameters, min(limit, PAGE_MAX)))
    return [_entry(state) for (state,) in rows]


async def sessions_by_id_prefix(
    views: Views, prefix: str, *, tenant: str | None, kind: str, now: int, limit: int
) -> list[Session]:
    """Up to `limit` sessions of one kind whose ids begin with `prefix`, none expired by `now`."""
    where = _Where()
    where.add("s.id >= ? AND s.id < ?", prefix, prefix + "\U0010ffff")
    where.add("s.deleted = 0")
    where.add("s.kind = ?", kind)
    where.add(NOT_EXPIRED, now, now)
    if tenant is not None:
        # The unary plus keeps the planner on the index of the ids.
        where.add("+s.tenant = ?", tenant)
    sql = f"SELECT s.state FROM sessions AS s WHERE {where.sql()} ORDER BY s.id LIMIT ?"
    rows = await views.fetch(sql, (*where.parameters, limit))
    return [_session(state) for (state,) in rows]


async def all_keys(views: Views) -> list[Key]:
    """Every key, oldest first."""
    rows = await views.fetch("SELECT k.state FROM keys AS k ORDER BY k.created", ())
    return [_key(state) for (state,) in rows]


async def devices_there(views: Views) -> list[Device]:
    """Every device that was not removed, oldest first."""
    sql = "SELECT d.state FROM devices AS d WHERE d.deleted = 0 ORDER BY d.created"
    return [_device(state) for (state,) in await views.fetch(sql, ())]
