"""Machines, their copies and what runs in them, in words: one sentence for each fact; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from projections.events.vm import (
    ExecutionFinished,
    ExecutionRequested,
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
from projections.events.vm_snapshot import (
    SnapshotDeleted,
    SnapshotFailed,
    SnapshotReady,
    SnapshotRequested,
)
from projections.telling import Known, why
from projections.wording import HIDDEN, duration, items, pairs, plain, quoted, seconds

_MS_US: Final = 1_000
# What is more than any time at all is told as this: in microseconds no float might hold it.
_TIMEOUT_S_MAX: Final = 1e15


def _vm_requested(fact: VmRequested, _: Known) -> str:
    words = f"machine requested for session {plain(fact.session, 64)}: {fact.vcpu_count} CPU, "
    words += f"{fact.memory_mb} MB, at most {seconds(fact.lifetime_s)}"
    if fact.name:
        words += f", called {quoted(fact.name)}"
    for origin, name in (
        ("from snapshot", fact.snapshot),
        ("going on from machine", fact.goes_on),
        ("as a copy of machine", fact.clone_of),
    ):
        words += f", {origin} {quoted(name)}" if name else ""
    if fact.env_names:
        words += f"; variables {items(fact.env_names)}"
    words += f"; metadata {pairs(fact.metadata)}" if fact.metadata else ""
    return words if fact.generation == 1 else f"{words}, start number {fact.generation}"


def _vm_started(fact: VmStarted, _: Known) -> str:
    how = f" with {quoted(fact.acceleration)}" if fact.acceleration else ""
    return f"machine's process started{how}"


def _vm_ready(fact: VmReady, _: Known) -> str:
    return f"machine ready after {duration(fact.boot_ms * _MS_US)}"


def _vm_resized(fact: VmResized, known: Known) -> str:
    was = "" if known.memory_mb is UNSET else f" from {known.memory_mb} MB"
    return f"machine's memory changed{was} to {fact.memory_mb} MB"


def _vm_configured(fact: VmConfigured, _: Known) -> str:
    words = "machine changed"
    if fact.name is not UNSET:
        words += f"; name is now {quoted(fact.name)}"
    if fact.metadata is not UNSET:
        words += f"; metadata {pairs(fact.metadata) or 'is now empty'}"
    return words


def _vm_suspended(fact: VmSuspended, _: Known) -> str:
    size = f", {fact.size} bytes kept" if fact.size else ""
    return f"machine suspended: {fact.reason}{size}"


def _vm_resumed(fact: VmResumed, _: Known) -> str:
    return f"machine goes on as {quoted(fact.by)}" if fact.by else "machine goes on"


def _vm_stopped(fact: VmStopped, _: Known) -> str:
    code = "" if fact.exit_code is None else f" with exit code {fact.exit_code}"
    return f"machine stopped{code}: {fact.reason}"


def _vm_lost(fact: VmLost, _: Known) -> str:
    return f"machine lost: {why(fact.reason, fact.detail)}"


def _execution_requested(fact: ExecutionRequested, _: Known) -> str:
    return f"execution {quoted(fact.id, 64)} requested, {_program(fact)}"


def _execution_started(fact: ExecutionStarted, _: Known) -> str:
    return f"execution {quoted(fact.id, 64)} began, {_program(fact)}"


def _program(fact: ExecutionRequested | ExecutionStarted) -> str:
    words = plain(fact.language, 40)
    if fact.timeout_s:
        timeout_s = max(-_TIMEOUT_S_MAX, min(fact.timeout_s, _TIMEOUT_S_MAX))
        words += f", may take {duration(int(timeout_s * 1_000_000))}"
    return f"{words}: {HIDDEN}" if fact.command else words


def _execution_finished(fact: ExecutionFinished, _: Known) -> str:
    how = "was cut off" if fact.exit_code is None else f"ended with exit code {fact.exit_code}"
    took = duration(fact.duration_ms * _MS_US)
    words = f"execution {quoted(fact.id, 64)} {how} after {took}: "
    words += why(fact.reason, fact.detail) + (", it timed out" if fact.timed_out else "")
    for name, size in (("stdout", fact.stdout_bytes), ("stderr", fact.stderr_bytes)):
        words += f"; {size} bytes of {name}" if size else ""
    return words


def _snapshot_requested(fact: SnapshotRequested, _: Known) -> str:
    name = f" {quoted(fact.name)}" if fact.name else ""
    words = f"snapshot{name} of machine {quoted(fact.vm, 64)} requested: {fact.vcpu_count} CPU, "
    return f"{words}{fact.memory_mb} MB, session {plain(fact.session, 64)}"


def _snapshot_failed(fact: SnapshotFailed, _: Known) -> str:
    return f"snapshot failed: {why(fact.reason, fact.detail)}"


MACHINE_SENTENCES: Final[dict[type, Callable[[Any, Known], str]]] = {
    VmRequested: _vm_requested,
    VmStarted: _vm_started,
    VmReady: _vm_ready,
    VmResized: _vm_resized,
    VmConfigured: _vm_configured,
    VmEnvStaged: lambda fact, _: f"machine's variables set: {items(fact.names) or 'none'}",
    VmSuspended: _vm_suspended,
    VmResumed: _vm_resumed,
    VmSnapshotted: lambda fact, _: f"machine copied into snapshot {quoted(fact.snapshot)}",
    VmStopped: _vm_stopped,
    VmLost: _vm_lost,
    ExecutionRequested: _execution_requested,
    ExecutionStarted: _execution_started,
    ExecutionFinished: _execution_finished,
    SnapshotRequested: _snapshot_requested,
    SnapshotReady: lambda fact, _: f"snapshot ready, {fact.size} bytes",
    SnapshotFailed: _snapshot_failed,
    SnapshotDeleted: lambda fact, _: f"snapshot deleted: {fact.reason}",
}
