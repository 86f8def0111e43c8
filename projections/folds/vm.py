"""The state of a virtual machine."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.status import Reason
from projections.events.vm import (
    ExecutionFinished,
    ExecutionStarted,
    VmLost,
    VmReady,
    VmRequested,
    VmResized,
    VmResumed,
    VmSnapshotted,
    VmStarted,
    VmStopped,
    VmSuspended,
)

PREFIX: Final = "vm/"
VERSION: Final = 1

VmStatus = Literal["requested", "starting", "running", "suspended", "stopped", "lost"]
VM_STATUSES: Final[tuple[VmStatus, ...]] = get_args(VmStatus)
VM_ENDED: Final[frozenset[VmStatus]] = frozenset({"stopped", "lost"})


class Vm(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A machine as of `position`; instants in microseconds since the epoch, lifetime in seconds."""

    id: str
    session: str
    tenant: str
    status: VmStatus
    reason: Reason
    created: Position
    position: Position
    created_at: int
    updated_at: int
    vcpu_count: int
    memory_mb: int
    lifetime_s: int
    generation: int = 1
    snapshot: str = ""
    acceleration: str = ""
    started_at: int | None = None
    ended_at: int | None = None
    boot_ms: int | None = None
    executions: int = 0
    executing: int = 0
    snapshots: tuple[str, ...] = ()
    detail: str = ""


def tags(vm: Vm) -> tuple[str, ...]:
    """What a reader of the feed may select the machine's commits by."""
    return "kind=vm", f"session={vm.session}", f"status={vm.status}"


def evolve(state: Vm | None, fact: Fact, commit: Commit) -> Vm | None:
    """The state after one more fact; an ended machine stays ended whatever is said of it later."""
    if state is None:
        return _requested(fact, commit) if isinstance(fact, VmRequested) else None
    if state.status not in VM_ENDED:
        state = _step(state, fact, commit)
    return replace(state, position=commit.position, updated_at=commit.at)


def _requested(fact: VmRequested, commit: Commit) -> Vm:
    return Vm(
        id=commit.stream.removeprefix(PREFIX),
        session=fact.session,
        tenant=commit.tenant,
        status="requested",
        reason="requested",
        created=commit.position,
        position=commit.position,
        created_at=commit.at,
        updated_at=commit.at,
        vcpu_count=fact.vcpu_count,
        memory_mb=fact.memory_mb,
        lifetime_s=fact.lifetime_s,
        generation=fact.generation,
        snapshot=fact.snapshot,
    )


def _step(state: Vm, fact: Fact, commit: Commit) -> Vm:  # one line per fact of the vocabulary
    match fact:
        case VmStarted(acceleration=how):
            return replace(state, status="starting", started_at=commit.at, acceleration=how)
        case VmReady(boot_ms=boot_ms):
            return replace(state, status="running", boot_ms=boot_ms)
        case VmResized(memory_mb=memory_mb):
            return replace(state, memory_mb=memory_mb)
        case VmSuspended(reason=reason):
            return replace(state, status="suspended", reason=reason)
        case VmResumed():
            return replace(state, status="running")
        case VmSnapshotted(snapshot=snapshot):
            return replace(state, snapshots=(*state.snapshots, snapshot))
        case VmStopped(reason=reason):
            return replace(state, status="stopped", reason=reason, ended_at=commit.at, executing=0)
        case VmLost(reason=reason, detail=detail):
            lost = replace(state, status="lost", reason=reason, detail=detail)
            return replace(lost, ended_at=commit.at, executing=0)
        case ExecutionStarted():
            counts = state.executions + 1, state.executing + 1
            return replace(state, executions=counts[0], executing=counts[1])
        case ExecutionFinished():
            return replace(state, executing=max(0, state.executing - 1))
        case _:
            return state
