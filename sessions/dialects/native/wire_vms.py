"""Shapes of the native API's machines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from projections.events.status import Reason
from projections.folds.vm import Vm, VmStatus, expiry
from sessions.dialects.instants import instant


class VmView(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual machine."""

    id: str
    session: str
    tenant: str
    status: VmStatus
    reason: Reason
    detail: str
    vcpu_count: int
    memory_mb: int
    lifetime_s: int
    generation: int
    snapshot: str
    snapshots: tuple[str, ...]
    acceleration: str
    executions: int
    executing: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    ends_at: datetime | None
    boot_ms: int | None
    name: str
    metadata: dict[str, Any]
    env_names: tuple[str, ...]
    clone_of: str
    goes_on: str
    goes_on_as: str
    kept_bytes: int
    queue_position: int | None
    position: int


class VmList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of machines, newest first."""

    items: list[VmView]
    next: str | None
    position: int


def vm_view(state: Vm, queue_position: int | None = None) -> VmView:
    """The machine as the native API shows it."""
    return VmView(
        id=state.id,
        session=state.session,
        tenant=state.tenant,
        status=state.status,
        reason=state.reason,
        detail=state.detail,
        vcpu_count=state.vcpu_count,
        memory_mb=state.memory_mb,
        lifetime_s=state.lifetime_s,
        generation=state.generation,
        snapshot=state.snapshot,
        snapshots=state.snapshots,
        acceleration=state.acceleration,
        executions=state.executions,
        executing=state.executing,
        created_at=instant(state.created_at),
        updated_at=instant(state.updated_at),
        started_at=_instant_or_none(state.started_at),
        ended_at=_instant_or_none(state.ended_at),
        ends_at=_instant_or_none(expiry(state)),
        boot_ms=state.boot_ms,
        name=state.name,
        metadata=state.metadata,
        env_names=state.env_names,
        clone_of=state.clone_of,
        goes_on=state.goes_on,
        goes_on_as=state.goes_on_as,
        kept_bytes=state.kept_bytes,
        queue_position=queue_position,
        position=state.position,
    )


def _instant_or_none(at_us: int | None) -> datetime | None:
    return None if at_us is None else instant(at_us)
