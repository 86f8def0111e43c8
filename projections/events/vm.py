"""Facts about a virtual machine and what runs in it; stream `vm/<id>`."""

from __future__ import annotations

from typing import ClassVar

from eventstore.codec import Fact
from projections.events.status import Reason


class VmRequested(Fact, frozen=True, kw_only=True):
    """A machine is wanted; written before any process exists. Lifetime counts from its spawn."""

    NAME: ClassVar = "vm.requested"

    session: str
    vcpu_count: int
    memory_mb: int
    lifetime_s: int
    snapshot: str = ""
    generation: int = 1


class VmStarted(Fact, frozen=True, kw_only=True):
    """The process of the machine runs."""

    NAME: ClassVar = "vm.started"

    acceleration: str = ""


class VmReady(Fact, frozen=True, kw_only=True):
    """The machine answers."""

    NAME: ClassVar = "vm.ready"

    boot_ms: int = 0


class VmResized(Fact, frozen=True, kw_only=True):
    """The machine has this much memory now."""

    NAME: ClassVar = "vm.resized"

    memory_mb: int


class VmSuspended(Fact, frozen=True, kw_only=True):
    """The machine stands still and can go on."""

    NAME: ClassVar = "vm.suspended"

    reason: Reason = "requested"


class VmResumed(Fact, frozen=True, kw_only=True):
    """The machine goes on."""

    NAME: ClassVar = "vm.resumed"


class VmSnapshotted(Fact, frozen=True, kw_only=True):
    """A copy of the machine was kept."""

    NAME: ClassVar = "vm.snapshotted"

    snapshot: str


class VmStopped(Fact, frozen=True, kw_only=True):
    """The machine ended as it should."""

    NAME: ClassVar = "vm.stopped"

    reason: Reason
    exit_code: int | None = None


class VmLost(Fact, frozen=True, kw_only=True):
    """The machine is gone and nobody asked for it."""

    NAME: ClassVar = "vm.lost"

    reason: Reason
    detail: str = ""


class ExecutionStarted(Fact, frozen=True, kw_only=True):
    """A program began in the machine."""

    NAME: ClassVar = "execution.started"

    id: str
    language: str


class ExecutionFinished(Fact, frozen=True, kw_only=True):
    """The program ended; `exit_code` is None if it was cut off."""

    NAME: ClassVar = "execution.finished"

    id: str
    exit_code: int | None
    duration_ms: int
    reason: Reason = "finished"
