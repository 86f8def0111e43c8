"""How large a machine is to be: what the `spec` of its session says, within the ranges; pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from projections.folds.session import Session
from projections.folds.vm import SECOND_US, Vm
from projections.folds.vm_snapshot import Snapshot
from sessions.domain.policy import DAY_S
from sessions.domain.rejections import InvalidValue

VCPU_COUNTS: Final = (1, 2, 4, 6, 8)
VCPU_COUNT: Final = 2
MEMORY_MB_MIN: Final = 128
MEMORY_MB_MAX: Final = 8192
MEMORY_MB: Final = 512
LIFETIME_S_MIN: Final = 20
LIFETIME_S_MAX: Final = DAY_S
LIFETIME_S: Final = 300


class Sizes(msgspec.Struct, frozen=True):
    """A machine as it is to be made."""

    vcpu_count: int
    memory_mb: int
    lifetime_s: int


def sizes_of(spec: dict[str, Any]) -> Sizes:
    """What the spec asks for, or the usual; raises InvalidValue for what no machine can be."""
    vcpu_count = _number(spec, "vcpu_count", VCPU_COUNT)
    if vcpu_count not in VCPU_COUNTS:
        raise InvalidValue("spec.vcpu_count", f"one of {', '.join(map(str, VCPU_COUNTS))}")
    memory_mb = _within(spec, "memory_mb", MEMORY_MB, MEMORY_MB_MIN, MEMORY_MB_MAX)
    lifetime_s = _within(spec, "vm_lifetime_seconds", LIFETIME_S, LIFETIME_S_MIN, LIFETIME_S_MAX)
    return Sizes(vcpu_count, memory_mb, lifetime_s)


def from_snapshot(sizes: Sizes, snapshot: Snapshot) -> Sizes:
    """The sizes of a machine that begins with a snapshot: its processors, and all its memory."""
    return Sizes(snapshot.vcpu_count, max(sizes.memory_mb, snapshot.memory_mb), sizes.lifetime_s)


def going_on(vm: Vm) -> Sizes:
    """The sizes of the machine that goes on from a suspended one, with what is left of its life.

    A machine with no time left would end before it can be used: it has the least there is.
    """
    left_s = vm.lifetime_s - vm.lived_us // SECOND_US
    return Sizes(vm.vcpu_count, vm.memory_mb, max(LIFETIME_S_MIN, left_s))


def check_names(env: dict[str, str]) -> None:
    """Raises InvalidValue for secrets that cannot be variables of a machine."""
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            message = "a variable of a machine has a name without =, and no NUL in it"
            raise InvalidValue("secrets", message)


def snapshot_of(session: Session) -> str:
    """The snapshot that machines of the session begin with; empty for none."""
    wanted = session.spec.get("snapshot_id")
    return wanted if isinstance(wanted, str) else ""


def _within(spec: dict[str, Any], name: str, usual: int, low: int, high: int) -> int:
    value = _number(spec, name, usual)
    if not low <= value <= high:
        raise InvalidValue(f"spec.{name}", f"between {low} and {high}")
    return value


def _number(spec: dict[str, Any], name: str, usual: int) -> int:
    value = spec.get(name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue(f"spec.{name}", "an integer")
    return value
