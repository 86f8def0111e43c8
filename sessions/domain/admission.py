"""Which machines may start: first come, first served, within what the host gives; pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What all machines together may take.

    `starts` is how many may be starting at a time, `queue` how many may wait.
    """

    memory_mb: int
    count: int
    starts: int
    queue: int


class QueueFull(Exception):
    """As many machines wait as may."""


class NeverFits(Exception):
    """The machine wants more memory than all machines together may take."""


class _Place(NamedTuple):
    memory_mb: int
    starting: bool


class Admission:
    """Who waits and who is in; nothing is ever given out beyond the budget."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._waiting: dict[str, int] = {}
        self._inside: dict[str, _Place] = {}
        self._starting = 0
        self.memory_mb = 0
        """What those inside take together."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def inside(self) -> int:
        """How many are in."""
        return len(self._inside)

    def check(self, memory_mb: int) -> None:
        """Raises NeverFits or QueueFull for a machine that cannot even wait."""
        if memory_mb > self.budget.memory_mb or not self.budget.count:
            raise NeverFits
        if len(self._waiting) >= self.budget.queue and not self._room(memory_mb):
            raise QueueFull

    def enter(self, vm: str, memory_mb: int) -> bool:
        """Queue up; True if the machine is in at once. Raises NeverFits and QueueFull."""
        self.check(memory_mb)
        self._waiting[vm] = memory_mb
        return vm in self.admit()

    def admit(self) -> list[str]:
        """Let in whoever is first in the queue and fits, one after the other: who that was."""
        admitted = []
        while self._waiting:
            vm, memory_mb = next(iter(self._waiting.items()))
            if not self._fits(memory_mb):
                break
            del self._waiting[vm]
            self._inside[vm] = _Place(memory_mb, starting=True)
            self._starting += 1
            self.memory_mb += memory_mb
            admitted.append(vm)
        return admitted

    def started(self, vm: str) -> None:
        """The machine starts no more: another one may."""
        place = self._inside.get(vm)
        if place is not None and place.starting:
            self._inside[vm] = place._replace(starting=False)
            self._starting -= 1

    def grow(self, vm: str, memory_mb: int) -> bool:
        """True if the machine that is in may have so much memory, and has it from now on."""
        place = self._inside.get(vm)
        if place is None:
            return False
        if self.memory_mb - place.memory_mb + memory_mb > self.budget.memory_mb:
            return False
        self.memory_mb += memory_mb - place.memory_mb
        self._inside[vm] = place._replace(memory_mb=memory_mb)
        return True

    def left(self, vm: str) -> None:
        """The machine is gone, from the inside or from the queue; nothing if it is neither."""
        self._waiting.pop(vm, None)
        self.started(vm)
        place = self._inside.pop(vm, None)
        if place is not None:
            self.memory_mb -= place.memory_mb

    def position(self, vm: str) -> int | None:
        """Its place in the queue, from 1; None for one that does not wait."""
        if vm not in self._waiting:
            return None
        return list(self._waiting).index(vm) + 1

    def _room(self, memory_mb: int) -> bool:
        return not self._waiting and self._fits(memory_mb)

    def _fits(self, memory_mb: int) -> bool:
        return (
            len(self._inside) < self.budget.count
            and self._starting < self.budget.starts
            and self.memory_mb + memory_mb <= self.budget.memory_mb
        )
