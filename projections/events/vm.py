"""Facts about a virtual machine and what runs in it; stream `vm/<id>`."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from eventstore.codec import Fact
from projections.events.status import Reason


class VmRequested(Fact, frozen=True, kw_only=True):
    """A machine is wanted; written before any process exists. Lifetime counts from its spawn.

    `snapshot` is the snapshot that it begins with, `goes_on` the suspended machine that it goes on
    from, `clone_of` the machine that it is a copy of. Of its environment only names are told.
    """

    NAME: ClassVar = "vm.requested"

    session: str
    vcpu_count: int
    memory_mb: int
    lifetime_s: int
    snapshot: str = ""
    generation: int = 1
    goes_on: str = ""
    clone_of: str = ""
    name: str = ""
    metadata: dict[str, Any] = {}
    env_names: tuple[str, ...] = ()


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


class VmConfigured(Fact, frozen=True, kw_only=True):
    """The given fields replace what they were."""

    NAME: ClassVar = "vm.configured"

    name: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class VmEnvStaged(Fact, frozen=True, kw_only=True):
    """Programs of the machine find these variables too; what they are is kept nowhere."""

    NAME: ClassVar = "vm.env_staged"

    names: tuple[str, ...]


class VmSuspended(Fact, frozen=True, kw_only=True):
    """The machine stands still and can go on; `size` is what it takes on the disk, in bytes."""

    NAME: ClassVar = "vm.suspended"

    reason: Reason = "requested"
    size: int = 0


class VmResumed(Fact, frozen=True, kw_only=True):
    """The machine goes on: as the machine `by` where one is named, and this one is no more."""

    NAME: ClassVar = "vm.resumed"

    by: str = ""


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


class ExecutionRequested(Fact, frozen=True, kw_only=True):
    """A program is to run as soon as there is a machine; said in the stream of the session.

    `command` is sealed with the key of the session.
    """

    NAME: ClassVar = "execution.requested"

    id: str
    language: str
    command: str = ""
    timeout_s: float = 0


class ExecutionStarted(Fact, frozen=True, kw_only=True):
    """A program began in the machine; `command` is sealed with the key of the session."""

    NAME: ClassVar = "execution.started"

    id: str
    language: str
    command: str = ""
    timeout_s: float = 0


class ExecutionFinished(Fact, frozen=True, kw_only=True):
    """The program ended; `exit_code` is None if it was cut off, and `detail` says why.

    `stdout` and `stderr` are the first part of each output, sealed with the key of the session;
    the counts tell how much there was.
    """

    NAME: ClassVar = "execution.finished"

    id: str
    exit_code: int | None
    duration_ms: int
    reason: Reason = "finished"
    detail: str = ""
    timed_out: bool = False
    cpu_ms: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    stdout: str = ""
    stderr: str = ""
