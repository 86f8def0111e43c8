"""The gate that each machine and each browser passes: it waits there until there is room."""

from __future__ import annotations

import asyncio

from sessions.domain.admission import Admission, Budget, NeverFits, QueueFull
from sessions.domain.rejections import InvalidValue, LimitReached


class Gate:
    """Lets them in by the rules of Admission, and wakes those whose turn has come.

    `what` is their word for callers, in the plural.
    """

    def __init__(self, budget: Budget, what: str = "machines") -> None:
        self.admission = Admission(budget)
        self.what = what
        self._turns: dict[str, asyncio.Event] = {}

    def check(self, memory_mb: int) -> None:
        """Raises InvalidValue for one that never fits, LimitReached if the queue is full."""
        try:
            self.admission.check(memory_mb)
        except NeverFits:
            most = self.admission.budget.memory_mb
            message = f"all {self.what} together may have {most} MB here, not {memory_mb}"
            raise InvalidValue("memory_mb", message) from None
        except QueueFull:
            waiting = self.admission.waiting
            raise LimitReached(f"{waiting} {self.what} wait already; try again later.") from None

    def enter(self, name: str, memory_mb: int) -> bool:
        """Queue up; True if it is in at once. Raises as `check`."""
        self.check(memory_mb)
        self._turns[name] = asyncio.Event()
        if self.admission.enter(name, memory_mb):
            self._turns[name].set()
        return self._turns[name].is_set()

    async def turn(self, name: str) -> None:
        """Return when it is in."""
        await self._turns[name].wait()

    def started(self, name: str) -> None:
        """It starts no more."""
        self.admission.started(name)
        self._wake()

    def grow(self, name: str, memory_mb: int) -> bool:
        """True if it may have so much memory, and has it from now on."""
        return self.admission.grow(name, memory_mb)

    def left(self, name: str) -> None:
        """It is gone, or waits no longer."""
        self._turns.pop(name, None)
        self.admission.left(name)
        self._wake()

    def position(self, name: str) -> int | None:
        """Its place in the queue, from 1; None for one that does not wait."""
        return self.admission.position(name)

    def _wake(self) -> None:
        for name in self.admission.admit():
            self._turns[name].set()
