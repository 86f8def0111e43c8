"""What the service looks up about machines: those that are there, and the copies that are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.folds.vm_snapshot import Snapshot
from projections.views.lists import PAGE_MAX
from projections.views.store import QUERIES, Views

PAGE: Final = 500
_vm: Final = msgspec.json.Decoder(Vm).decode
_session: Final = msgspec.json.Decoder(Session).decode
_snapshot: Final = msgspec.json.Decoder(Snapshot).decode


async def vms_there(views: Views) -> AsyncIterator[Vm]:
    """Every machine that has not ended, oldest first."""
    async for vm in every(views, "vms_there", _vm):
        yield vm


async def sessions_with_machines(views: Views) -> AsyncIterator[Session]:
    """Every session of machines that is neither pending nor at rest nor ended, oldest first."""
    async for session in every(views, "sessions_with_machines", _session):
        yield session


async def snapshots_there(views: Views) -> AsyncIterator[Snapshot]:
    """Every snapshot that was not deleted, oldest first."""
    async for snapshot in every(views, "snapshots_there", _snapshot):
        yield snapshot


async def every(views: Views, query: str, decode: Any) -> AsyncIterator[Any]:
    """The states that a query gives page by page, oldest first."""
    after = 0
    while True:
        states = await views.listed(decode, QUERIES[query], (after, PAGE))
        for state in states:
            after = state.created
            yield state
        if len(states) < PAGE:
            return


async def list_snapshots(
    views: Views,
    *,
    tenant: str | None,
    session: str | None = None,
    before: int | None = None,
    limit: int = PAGE_MAX,
) -> list[Snapshot]:
    """Up to `limit` snapshots, newest first; `tenant` None sees every tenant."""
    conditions, values = ["deleted = 0"], list[object]()
    for column, value in (("tenant =", tenant), ("session =", session), ("created <", before)):
        if value is not None:
            conditions.append(f"{column} ?")
            values.append(value)
    where = " AND ".join(conditions)
    sql = f"SELECT state FROM vm_snapshots WHERE {where} ORDER BY created DESC LIMIT ?"
    return await views.listed(_snapshot, sql, (*values, min(limit, PAGE_MAX)))
