"""The state of a copy of a machine that a user keeps."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.status import Reason
from projections.events.vm_snapshot import (
    SnapshotDeleted,
    SnapshotFailed,
    SnapshotReady,
    SnapshotRequested,
)

PREFIX: Final = "snapshot/"
VERSION: Final = 1

SnapshotStatus = Literal["creating", "ready", "failed"]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A copy of the machine `vm` as of `position`; instants in microseconds since the epoch."""

    id: str
    tenant: str
    session: str
    vm: str
    status: SnapshotStatus
    reason: Reason
    created: Position
    position: Position
    created_at: int
    updated_at: int
    vcpu_count: int
    memory_mb: int
    name: str = ""
    size: int = 0
    detail: str = ""
    deleted: bool = False


def tags(snapshot: Snapshot) -> tuple[str, ...]:
    """What a reader of the feed may select the snapshot's commits by."""
    return "kind=snapshot", f"session={snapshot.session}", f"status={snapshot.status}"


def evolve(state: Snapshot | None, fact: Fact, commit: Commit) -> Snapshot | None:
    """The state after one more fact; what was deleted stays so."""
    if state is None:
        return _requested(fact, commit) if isinstance(fact, SnapshotRequested) else None
    state = replace(state, position=commit.position, updated_at=commit.at)
    if state.deleted:
        return state
    match fact:
        case SnapshotReady(size=size) if state.status == "creating":
            return replace(state, status="ready", reason="finished", size=size)
        case SnapshotFailed(reason=reason, detail=detail):
            return replace(state, status="failed", reason=reason, detail=detail, size=0)
        case SnapshotDeleted(reason=reason):
            return replace(state, deleted=True, reason=reason)
        case _:
            return state


def _requested(fact: SnapshotRequested, commit: Commit) -> Snapshot:
    return Snapshot(
        id=commit.stream.removeprefix(PREFIX),
        tenant=commit.tenant,
        session=fact.session,
        vm=fact.vm,
        status="creating",
        reason="requested",
        created=commit.position,
        position=commit.position,
        created_at=commit.at,
        updated_at=commit.at,
        vcpu_count=fact.vcpu_count,
        memory_mb=fact.memory_mb,
        name=fact.name,
    )
