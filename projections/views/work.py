"""What the service looks up about workers: sessions that wait for one, and those that have one."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from projections.folds.session import Session
from projections.views.lists import MERGED_MAX, PAGE_MAX
from projections.views.machines import every
from projections.views.store import Views
from projections.views.where import Where

_session: Final = msgspec.json.Decoder(Session).decode


async def waiting_sessions(
    views: Views, *, kind: str, tenant: str | None, after: int = 0, limit: int = PAGE_MAX
) -> list[Session]:
    """Up to `limit` sessions of one kind that a worker may claim, oldest first.

    They were created after the position `after`; `tenant` None sees every tenant.
    """
    if tenant is not None:
        return await _waiting(views, kind, after, limit, "s.tenant = ?", tenant)
    if len(views.tenants) > MERGED_MAX:
        return await _waiting(views, kind, after, limit, "s.tenant >= ?", "")
    pages = [
        await _waiting(views, kind, after, limit, "s.tenant = ?", one)
        for one in sorted(views.tenants)
    ]
    merged = heapq.merge(*pages, key=lambda state: state.created)
    return list(itertools.islice(merged, limit))


async def _waiting(
    views: Views, kind: str, after: int, limit: int, of_tenant: str, tenant: str
) -> list[Session]:
    sql = (
        f"SELECT s.state FROM sessions AS s WHERE s.waits_for_worker = 1 AND {of_tenant}"
        " AND s.kind = ? AND s.created > ? ORDER BY s.created LIMIT ?"
    )
    return await views.listed(_session, sql, (tenant, kind, after, min(limit, PAGE_MAX)))


async def worked_sessions(
    views: Views,
    *,
    kinds: Sequence[str],
    tenant: str | None,
    waiting: bool = True,
    held: bool = True,
    after: int = 0,
    limit: int = PAGE_MAX,
) -> list[Session]:
    """Up to `limit` sessions of these kinds that wait for a worker or have one, oldest first."""
    pages = [
        await waiting_sessions(views, kind=kind, tenant=tenant, after=after, limit=limit)
        for kind in (kinds if waiting else ())
    ]
    if held:
        pages.append(await _held(views, kinds, tenant, after, limit))
    merged = heapq.merge(*pages, key=lambda state: state.created)
    return list(itertools.islice(merged, limit))


async def _held(
    views: Views, kinds: Sequence[str], tenant: str | None, after: int, limit: int
) -> list[Session]:
    where = Where()
    where.add("s.held = 1 AND s.created > ?", after)
    where.one_of("+s.kind", kinds)
    if tenant is not None:
        # The unary plus keeps the planner on the index of those that are held.
        where.add("+s.tenant = ?", tenant)
    sql = f"SELECT s.state FROM sessions AS s WHERE {where.sql()} ORDER BY s.created LIMIT ?"
    return await views.listed(_session, sql, (*where.parameters, min(limit, PAGE_MAX)))


async def held_sessions(views: Views) -> AsyncIterator[Session]:
    """Every session that a worker has, oldest first."""
    async for session in every(views, "sessions_held", _session):
        yield session
