"""The gate that every machine passes before it starts: it waits there until there is room."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from sessions.domain.admission import Admission, Budget, NeverFits, QueueFull
from sessions.domain.rejections import InvalidValue, LimitReached
from sessions.settings import Settings

MEMORY_SHARE: Final = 0.7
COUNT_PER_CORE: Final = 10
COUNT_MAX: Final = 64
_MB: Final = 1 << 20


def budget_of(settings: Settings) -> Budget:
    """What the settings give to machines; what they leave open, the host decides."""
    cores = len(os.sched_getaffinity(0))
    host_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MB
    memory_mb, count = settings.vm_memory_mb, settings.vm_count
    return Budget(
        memory_mb=int(host_mb * MEMORY_SHARE) if memory_mb is None else memory_mb,
        count=min(COUNT_MAX, COUNT_PER_CORE * cores) if count is None else count,
        starts=cores,
        queue=settings.vm_queue,
    )


class Gate:
    """Lets machines in by the rules of Admission, and wakes those whose turn has come."""

    def __init__(self, budget: Budget) -> None:
        self.admission = Admission(budget)
        self._turns: dict[str, asyncio.Event] = {}

    def check(self, memory_mb: int) -> None:
        """Raises InvalidValue for a machine that never fits, LimitReached if the queue is full."""
        try:
            self.admission.check(memory_mb)
        except NeverFits:
            most = self.admission.budget.memory_mb
            message = f"all machines together may have {most} MB here, not {memory_mb}"
            raise InvalidValue("memory_mb", message) from None
        except QueueFull:
            waiting = self.admission.waiting
            raise LimitReached(f"{waiting} machines wait already; try again later.") from None

    def enter(self, vm: str, memory_mb: int) -> bool:
        """Queue up; True if the machine is in at once. Raises as `check`."""
        self.check(memory_mb)
        self._turns[vm] = asyncio.Event()
        if self.admission.enter(vm, memory_mb):
            self._turns[vm].set()
        return self._turns[vm].is_set()

    async def turn(self, vm: str) -> None:
        """Return when the machine is in."""
        await self._turns[vm].wait()

    def started(self, vm: str) -> None:
        """The machine starts no more."""
        self.admission.started(vm)
        self._wake()

    def grow(self, vm: str, memory_mb: int) -> bool:
        """True if the machine may have so much memory, and has it from now on."""
        return self.admission.grow(vm, memory_mb)

    def left(self, vm: str) -> None:
        """The machine is gone, or waits no longer."""
        self._turns.pop(vm, None)
        self.admission.left(vm)
        self._wake()

    def position(self, vm: str) -> int | None:
        """Its place in the queue, from 1; None for one that does not wait."""
        return self.admission.position(vm)

    def _wake(self) -> None:
        for vm in self.admission.admit():
            self._turns[vm].set()
