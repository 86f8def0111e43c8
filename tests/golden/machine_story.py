"""What the golden log tells of a machine that goes on from another one, and of its copies."""

from __future__ import annotations

from typing import Any

from eventstore.codec import Fact
from projections.events.vm import (
    ExecutionFinished,
    ExecutionRequested,
    ExecutionStarted,
    VmConfigured,
    VmEnvStaged,
    VmReady,
    VmRequested,
    VmResumed,
    VmStarted,
    VmSuspended,
)
from projections.events.vm_snapshot import (
    SnapshotDeleted,
    SnapshotFailed,
    SnapshotReady,
    SnapshotRequested,
)

THIRD_VM = "vm/vmid-0198c0de000070008000000000000009"
SNAPSHOT = "snapshot/snap-0198c0de00007000800000000000000a"
LOST_SNAPSHOT = "snapshot/snap-0198c0de00007000800000000000000b"

Told = tuple[str, dict[str, Any], tuple[Fact, ...]]


def machine_story(
    session: str, ci: dict[str, Any], service: dict[str, Any], sealed: tuple[str, str, str]
) -> tuple[Told, ...]:
    """The commits; `sealed` are a program and its two outputs."""
    code, out, err = sealed
    return (
        (
            session,
            ci,
            (ExecutionRequested(id="x-2", language="python", command=code, timeout_s=60.5),),
        ),
        (
            THIRD_VM,
            ci,
            (
                VmRequested(
                    session=session.removeprefix("session/"),
                    vcpu_count=2,
                    memory_mb=512,
                    lifetime_s=300,
                    generation=3,
                    goes_on="vmid-1",
                    clone_of="vmid-2",
                    name="devbox",
                    metadata={"team": ["a", 1]},
                    env_names=("DATABASE_URL", "EMPTY"),
                ),
            ),
        ),
        (THIRD_VM, service, (VmStarted(acceleration="tcg"), VmReady(boot_ms=300))),
        (
            THIRD_VM,
            ci,
            (
                VmConfigured(name="box", metadata={}),
                VmEnvStaged(names=("TOKEN", "EMPTY")),
                ExecutionStarted(id="x-2", language="python", command=code, timeout_s=60.5),
            ),
        ),
        (
            THIRD_VM,
            service,
            (
                ExecutionFinished(
                    id="x-2",
                    exit_code=None,
                    duration_ms=60_500,
                    reason="max_duration",
                    detail="its time was over",
                    timed_out=True,
                    cpu_ms=9,
                    stdout_bytes=2,
                    stderr_bytes=5,
                    stdout=out,
                    stderr=err,
                ),
            ),
        ),
        (
            SNAPSHOT,
            ci,
            (
                SnapshotRequested(
                    session=session.removeprefix("session/"),
                    vm=THIRD_VM.removeprefix("vm/"),
                    vcpu_count=2,
                    memory_mb=512,
                    name="nightly",
                ),
            ),
        ),
        (SNAPSHOT, service, (SnapshotReady(size=134_217_728),)),
        (
            LOST_SNAPSHOT,
            ci,
            (SnapshotRequested(session="s", vm="vmid-2", vcpu_count=1, memory_mb=128),),
        ),
        (LOST_SNAPSHOT, service, (SnapshotFailed(reason="runtime_failed", detail="no room"),)),
        (LOST_SNAPSHOT, ci, (SnapshotDeleted(reason="deleted"),)),
        (THIRD_VM, ci, (VmSuspended(size=134_217_729),)),
        (THIRD_VM, service, (VmResumed(by="vmid-4"),)),
    )
