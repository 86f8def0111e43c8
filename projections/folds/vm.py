"""The state of a virtual machine."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.events.status import Reason
from projections.events.vm import (
    ExecutionFinished,
    ExecutionStarted,
    VmConfigured,
    VmEnvStaged,
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
VERSION: Final = 2
SECOND_US: Final = 1_000_000

VmStatus = Literal["requested", "starting", "running", "suspended", "stopped", "lost"]
VM_STATUSES: Final[tuple[VmStatus, ...]] = get_args(VmStatus)
VM_ENDED: Final[frozenset[VmStatus]] = frozenset({"stopped", "lost"})


class Vm(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A machine as of `position`; instants in microseconds since the epoch, lifetime in seconds.

    `lived_us` is how much of the lifetime was over when it was suspended; `goes_on_as` names the
    machine that goes on from there.
    """

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
    name: str = ""
    metadata: dict[str, Any] = {}
    env_names: tuple[str, ...] = ()
    clone_of: str = ""
    goes_on: str = ""
    goes_on_as: str = ""
    kept_bytes: int = 0
    lived_us: int = 0

    @property
    def ended(self) -> bool:
        """True once it is no more."""
        return self.status in VM_ENDED


def expiry(vm: Vm) -> int | None:
    """When its lifetime ends; None before it is spawned, while it stands still and once it ended.

    The lifetime counts from the spawn.
    """
    if vm.started_at is None or vm.ended or vm.status == "suspended":
        return None
    return vm.started_at + vm.lifetime_s * SECOND_US


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
        name=fact.name,
        metadata=fact.metadata,
        env_names=fact.env_names,
        clone_of=fact.clone_of,
        goes_on=fact.goes_on,
    )


def _step(state: Vm, fact: Fact, commit: Commit) -> Vm:  # one line per fact of the vocabulary
    match fact:
        case VmStarted(acceleration=how):
            return replace(state, status="starting", started_at=commit.at, acceleration=how)
        case VmReady(boot_ms=boot_ms):
            return replace(state, status="running", boot_ms=boot_ms)
        case VmResized(memory_mb=memory_mb):
            return replace(state, memory_mb=memory_mb)
        case VmConfigured():
            return _configured(state, fact)
        case VmEnvStaged(names=names):
            known = tuple(dict.fromkeys((*state.env_names, *names)))
            return replace(state, env_names=known)
        case VmSuspended():
            return _suspended(state, fact, commit)
        case VmResumed(by=by):
            return _resumed(state, by, commit)
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


def _configured(state: Vm, fact: VmConfigured) -> Vm:
    return replace(
        state,
        name=state.name if fact.name is UNSET else fact.name,
        metadata=state.metadata if fact.metadata is UNSET else fact.metadata,
    )


def _suspended(state: Vm, fact: VmSuspended, commit: Commit) -> Vm:
    lived_us = 0 if state.started_at is None else max(0, commit.at - state.started_at)
    return replace(
        state,
        status="suspended",
        reason=fact.reason,
        kept_bytes=fact.size,
        lived_us=lived_us,
        executing=0,
    )


def _resumed(state: Vm, by: str, commit: Commit) -> Vm:
    if not by:  # as the first vocabulary had it
        return replace(state, status="running", lived_us=0)
    return replace(
        state, status="stopped", reason="requested", ended_at=commit.at, goes_on_as=by, executing=0
    )
