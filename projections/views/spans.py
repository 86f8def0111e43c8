"""Lists of spans, newest first, by the position that recorded them."""

from __future__ import annotations

from typing import Final

import msgspec

from projections.folds.span import Span
from projections.views.lists import PAGE_MAX
from projections.views.store import Views
from projections.views.where import Where, values_in

_span: Final = msgspec.json.Decoder(Span).decode


class SpanFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a span must be to be listed; None and empty mean any.

    `turns` are alternatives, each a session and the index of its turn; so are `sessions`, `types`
    and `names`. `since` and `until` bound the creation time in microseconds, both included.
    """

    tenant: str | None = None
    sessions: tuple[str, ...] = ()
    turns: tuple[tuple[str, int], ...] = ()
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


async def list_spans(
    views: Views,
    wanted: SpanFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    ascending: bool = False,
    offset: int = 0,
    limit: int = PAGE_MAX,
) -> list[Span]:
    """Up to `limit` spans that were recorded between the positions, without the first `offset`."""
    where = _where(wanted)
    if before is not None:
        where.add("s.created < ?", before)
    where.add("s.created > ?", 0 if after is None else after)
    ordered = f"ORDER BY s.created {'ASC' if ascending else 'DESC'} LIMIT ? OFFSET ?"
    sql = f"SELECT s.state FROM spans AS s WHERE {where.sql()} {ordered}"
    return await views.listed(_span, sql, (*where.parameters, min(limit, PAGE_MAX), offset))


def _where(wanted: SpanFilter) -> Where:
    where = Where()
    where.add("s.deleted = 0")
    # The unary plus keeps the planner on the index of sessions and turns.
    some = bool(wanted.sessions or wanted.turns)
    if wanted.tenant is not None:
        where.add("+s.tenant = ?" if some else "s.tenant = ?", wanted.tenant)
    if wanted.sessions:
        where.add("s.session IN (SELECT value FROM json_each(?))", values_in(wanted.sessions))
    if wanted.turns:
        turns = msgspec.json.encode(wanted.turns).decode()
        listed = "SELECT t.value ->> 0, t.value ->> 1 FROM json_each(?) AS t"
        where.add(f"(s.session, s.turn) IN ({listed})", turns)
    where.one_of("+s.type", wanted.types)
    where.one_of("+s.name", wanted.names)
    created_at = "json_extract(s.state, '$.created_at')"
    for condition, bound in ((">=", wanted.since), ("<=", wanted.until)):
        if bound is not None:
            where.add(f"{created_at} {condition} ?", bound)
    return where
