"""Sessions by their number in the order in which they were made, for clients that count.

What has expired by `now` is not counted, also where no clock has removed it yet.
"""

from __future__ import annotations

from typing import Final

import msgspec

from projections.folds.session import Session
from projections.views.lists import NOT_EXPIRED, PAGE_MAX
from projections.views.store import Views

PUBLIC_MAX: Final = 10_000

_session: Final = msgspec.json.Decoder(Session).decode


async def sessions_from(
    views: Views, *, kind: str, tenant: str | None, now: int, index: int, limit: int
) -> list[Session]:
    """Up to `limit` sessions of one kind, oldest first, without the first `index`."""
    where, parameters = _where(kind, tenant, now)
    sql = f"SELECT s.state FROM sessions AS s WHERE {where} ORDER BY s.created LIMIT ? OFFSET ?"
    return await views.listed(_session, sql, (*parameters, min(limit, PAGE_MAX), index))


async def session_count(views: Views, *, kind: str, tenant: str | None, now: int) -> int:
    """How many sessions of one kind there are."""
    where, parameters = _where(kind, tenant, now)
    [(count,)] = await views.fetch(f"SELECT count(*) FROM sessions AS s WHERE {where}", parameters)
    return int(count)


async def public_sessions(views: Views, *, kind: str, tenant: str | None, now: int) -> list[str]:
    """The ids of the sessions whose spec says that they are public, oldest first."""
    where, parameters = _where(kind, tenant, now)
    sql = (
        f"SELECT s.id FROM sessions AS s WHERE {where}"
        " AND json_type(s.state, '$.spec.is_public') = 'true' ORDER BY s.created LIMIT ?"
    )
    rows = await views.fetch(sql, (*parameters, PUBLIC_MAX))
    return [session_id.decode() for (session_id,) in rows]


def _where(kind: str, tenant: str | None, now: int) -> tuple[str, tuple[str | int, ...]]:
    if tenant is None:
        return f"s.deleted = 0 AND s.kind = ? AND {NOT_EXPIRED}", (kind, now, now)
    # The unary plus keeps the planner on the index that has the order.
    where = f"s.deleted = 0 AND s.tenant = ? AND +s.kind = ? AND {NOT_EXPIRED}"
    return where, (tenant, kind, now, now)
