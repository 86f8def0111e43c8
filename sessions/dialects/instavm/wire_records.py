"""Shapes of InstaVM's machines, sandboxes and usage as answers (contract instavm.md 4.2, 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from projections.folds.session import SECOND_US
from projections.folds.vm import Vm, expiry
from sessions.dialects.instants import instant
from sessions.dialects.instavm.wire import VM_STATUS

HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
MB_IN_GIB: Final = 1024


class VmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A machine; `status` is one of creating, active, suspended and killed."""

    vm_id: str
    session_id: str
    name: str
    status: str
    reason: str
    detail: str
    created_at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    vm_lifetime_seconds: int
    uptime_seconds: int | None
    expires_in_seconds: int | None
    memory_mb: int
    vcpu_count: int
    metadata: dict[str, Any]
    env_names: tuple[str, ...]
    snapshot_id: str | None
    snapshots: tuple[str, ...]
    cloned_from: str | None
    resumed_from: str | None
    resumed_as: str | None
    generation: int
    acceleration: str | None
    boot_ms: int | None
    executions: int
    queue_position: int | None = None
    auto_suspend: bool = False
    auto_resume: bool = True
    snapshot_on_terminate: bool = False
    image_variant: str = "standard"


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as the list of sandboxes shows it (section 4.2)."""

    sandbox_id: str
    session_id: str
    template_id: str | None
    name: str
    metadata: dict[str, Any]
    started_at: datetime
    end_at: datetime | None
    status: str


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What the machines of a day had at hand; nobody is charged for it."""

    date: date
    cpu_hours: float
    ram_gib_hours: float
    cost_dollars: float = 0.0


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums over all days."""

    cpu_hours: float
    ram_gib_hours: float
    cost_dollars: float = 0.0


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/users/me/usage-breakdown`."""

    period_start: date
    period_end: date
    total_days: int
    totals: Totals
    daily_breakdown: list[Day]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/sessions/usage/{id}`: what the machines of a session had at hand."""

    session_id: str
    vm_count: int
    executions: int
    uptime_seconds: int
    cpu_hours: float
    ram_gib_hours: float
    cost_dollars: float = 0.0


def vm_record(vm: Vm, now_us: int, queue_position: int | None = None) -> VmRecord:
    """The machine as it is at `now_us`."""
    ends_at = expiry(vm)
    alive = vm.status == "running"
    return VmRecord(
        vm_id=vm.id,
        session_id=vm.session,
        name=vm.name,
        status=VM_STATUS[vm.status],
        reason=vm.reason,
        detail=vm.detail,
        created_at=without_zone(vm.created_at),
        started_at=_maybe(vm.started_at),
        expires_at=_maybe(ends_at),
        ended_at=_maybe(vm.ended_at),
        vm_lifetime_seconds=vm.lifetime_s,
        uptime_seconds=_lived_us(vm, now_us) // SECOND_US if alive else None,
        expires_in_seconds=_left_s(vm, ends_at, now_us),
        memory_mb=vm.memory_mb,
        vcpu_count=vm.vcpu_count,
        metadata=vm.metadata,
        env_names=vm.env_names,
        snapshot_id=vm.snapshot or None,
        snapshots=vm.snapshots,
        cloned_from=vm.clone_of or None,
        resumed_from=vm.goes_on or None,
        resumed_as=vm.goes_on_as or None,
        generation=vm.generation,
        acceleration=vm.acceleration or None,
        boot_ms=vm.boot_ms,
        executions=vm.executions,
        queue_position=queue_position,
    )


def sandbox(vm: Vm) -> Sandbox:
    """The machine as a sandbox; it began when it was asked for, if its process never did."""
    ends_at = expiry(vm)
    return Sandbox(
        sandbox_id=vm.id,
        session_id=vm.session,
        template_id=vm.snapshot or None,
        name=vm.name or "default",
        metadata=vm.metadata,
        started_at=without_zone(vm.started_at or vm.created_at),
        end_at=_maybe(vm.ended_at if ends_at is None else ends_at),
        status=VM_STATUS[vm.status],
    )


def contains(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True if each pair of `wanted` is in `metadata`, values compared as JSON."""
    return all(name in metadata and same(metadata[name], value) for name, value in wanted.items())


def same(one: Any, other: Any) -> bool:
    """True if both are one value of JSON: 1 is 1.0, and neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class Lived:
    """Adds up what machines had at hand until `now_us`."""

    def __init__(self, now_us: int) -> None:
        self._now_us = now_us
        self._vms = self._executions = self._us = self._cpu_us = self._mb_us = 0

    def add(self, vm: Vm) -> None:
        """One more machine."""
        us = _lived_us(vm, self._now_us)
        self._vms += 1
        self._executions += vm.executions
        self._us += us
        self._cpu_us += us * vm.vcpu_count
        self._mb_us += us * vm.memory_mb

    def usage(self, session_id: str) -> Usage:
        """What the machines of the session had."""
        return Usage(
            session_id=session_id,
            vm_count=self._vms,
            executions=self._executions,
            uptime_seconds=self._us // SECOND_US,
            cpu_hours=_hours(self._cpu_us),
            ram_gib_hours=_hours(self._mb_us / MB_IN_GIB),
        )


class LivedByDay:
    """Adds up what machines had at hand on each day from `first` to `last`, as UTC has days."""

    def __init__(self, first: date, last: date, now_us: int) -> None:
        self._first = first
        self._last = last
        self._first_us = (first - date(1970, 1, 1)).days * DAY_US
        self._now_us = now_us
        count = (last - first).days + 1
        self._cpu_us = [0] * count
        self._mb_us = [0] * count

    def add(self, vm: Vm) -> None:
        """One more machine."""
        if vm.started_at is None:
            return
        began = vm.started_at - self._first_us
        ended = began + _lived_us(vm, self._now_us)
        last = min(len(self._cpu_us), ended // DAY_US + 1)
        for index in range(max(0, began // DAY_US), last):
            us = max(0, min(ended, (index + 1) * DAY_US) - max(began, index * DAY_US))
            self._cpu_us[index] += us * vm.vcpu_count
            self._mb_us[index] += us * vm.memory_mb

    def breakdown(self) -> Breakdown:
        """The days and their sums."""
        days = [
            Day(
                date=self._first + timedelta(days=index),
                cpu_hours=_hours(cpu_us),
                ram_gib_hours=_hours(mb_us / MB_IN_GIB),
            )
            for index, (cpu_us, mb_us) in enumerate(zip(self._cpu_us, self._mb_us, strict=True))
        ]
        return Breakdown(
            period_start=self._first,
            period_end=self._last,
            total_days=len(days),
            totals=Totals(
                cpu_hours=_hours(sum(self._cpu_us)),
                ram_gib_hours=_hours(sum(self._mb_us) / MB_IN_GIB),
            ),
            daily_breakdown=days,
        )


def without_zone(at_us: int) -> datetime:
    """An instant as InstaVM shows them: UTC, which it does not say."""
    return instant(at_us).replace(tzinfo=None)


def _lived_us(vm: Vm, now_us: int) -> int:
    """How long its process ran; a suspended machine has none."""
    if vm.started_at is None:
        return 0
    if vm.lived_us:
        return vm.lived_us
    return max(0, (vm.ended_at or now_us) - vm.started_at)


def _left_s(vm: Vm, ends_at: int | None, now_us: int) -> int | None:
    if vm.ended:
        return 0
    return None if ends_at is None else max(0, ends_at - now_us) // SECOND_US


def _hours(us: float) -> float:
    return round(us / HOUR_US, 6)


def _maybe(at_us: int | None) -> datetime | None:
    return None if at_us is None else without_zone(at_us)
