"""Facts about copies of machines that users keep; stream `snapshot/<id>`."""

from __future__ import annotations

from typing import ClassVar

from eventstore.codec import Fact
from projections.events.status import Reason


class SnapshotRequested(Fact, frozen=True, kw_only=True):
    """A copy of the machine `vm` is wanted; written before anything is copied."""

    NAME: ClassVar = "snapshot.requested"

    session: str
    vm: str
    vcpu_count: int
    memory_mb: int
    name: str = ""


class SnapshotReady(Fact, frozen=True, kw_only=True):
    """The copy is there; machines can begin with it."""

    NAME: ClassVar = "snapshot.ready"

    size: int = 0


class SnapshotFailed(Fact, frozen=True, kw_only=True):
    """There is no copy, or not any more."""

    NAME: ClassVar = "snapshot.failed"

    reason: Reason
    detail: str = ""


class SnapshotDeleted(Fact, frozen=True, kw_only=True):
    """The copy is removed."""

    NAME: ClassVar = "snapshot.deleted"

    reason: Reason = "requested"
