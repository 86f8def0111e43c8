"""Shapes of InstaVM's snapshots (contract instavm.md section 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from projections.folds.vm_snapshot import Snapshot
from sessions.dialects.instavm.wire_records import without_zone

NO_BUILD: Final = (
    "This service builds no snapshot from an OCI image: its machines have no network to pull one."
    " POST /v1/vms/{vm_id}/snapshot keeps a copy of a running machine."
)
TYPES: Final = ("user", "system")


class SnapshotRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot; `status` is one of creating, ready and failed."""

    id: str
    snapshot_id: str
    name: str
    status: str
    type: str
    vm_id: str
    session_id: str
    vcpu_count: int
    memory_mb: int
    size_bytes: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


class DeletedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a delete."""

    id: str
    snapshot_id: str
    status: str = "deleted"


def snapshot_record(snapshot: Snapshot) -> SnapshotRecord:
    """The snapshot; one without a name is called by its id."""
    failed = snapshot.status == "failed"
    return SnapshotRecord(
        id=snapshot.id,
        snapshot_id=snapshot.id,
        name=snapshot.name or snapshot.id,
        status=snapshot.status,
        type="user",
        vm_id=snapshot.vm,
        session_id=snapshot.session,
        vcpu_count=snapshot.vcpu_count,
        memory_mb=snapshot.memory_mb,
        size_bytes=snapshot.size if snapshot.status == "ready" else None,
        last_error=(snapshot.detail or snapshot.reason) if failed else None,
        created_at=without_zone(snapshot.created_at),
        updated_at=without_zone(snapshot.updated_at),
    )
