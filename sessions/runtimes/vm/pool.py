"""Machines that wait, warm, for whoever wants one; made one at a time, when nobody else is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sessions.runtimes.vm.image import Progress
from sessions.runtimes.vm.machine import QemuMachine
from sessions.runtimes.vm.port import MachineError

_QUIET_POLL_S: Final = 0.05
_REST_S: Final = 0.3
_AGAIN_S: Final = 5.0


class WarmPool:
    """Up to so many machines per number of vCPUs, refilled in the background."""

    def __init__(
        self,
        sizes: Mapping[int, int],
        make: Callable[[int], Awaitable[QemuMachine]],
        busy: Callable[[], bool],
        progress: Progress,
    ) -> None:
        self._sizes = dict(sizes)
        self._make = make
        self._busy = busy
        self._progress = progress
        self._waiting: defaultdict[int, deque[QemuMachine]] = defaultdict(deque)
        self._wanted = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None
        self._asked = -_REST_S

    @property
    def wanted(self) -> bool:
        """True if any machine is to be kept warm."""
        return any(self._sizes.values())

    def start(self) -> None:
        """Begin to fill; nothing where nothing is wanted."""
        if self.wanted and self._filling is None:
            self._wanted.set()
            self._filling = asyncio.create_task(self._fill())

    @property
    def count(self) -> int:
        """How many machines wait."""
        return sum(len(machines) for machines in self._waiting.values())

    def take(self, vcpu_count: int) -> QemuMachine | None:
        """A machine that answers, if one waits: the longest there."""
        waiting = self._waiting[vcpu_count]
        self._asked = time.monotonic()
        self._wanted.set()
        while waiting:
            machine = waiting.popleft()
            if machine.alive:
                return machine
        return None

    async def close(self) -> None:
        """No machine waits any more, and none is being made."""
        if self._filling is not None:
            self._filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._filling
        machines = [machine for waiting in self._waiting.values() for machine in waiting]
        self._waiting.clear()
        await asyncio.gather(*(machine.stop() for machine in machines))

    async def _fill(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while (vcpu_count := self._lacking()) is not None:
                # Whoever waits for a machine now goes first, and then has a while for itself.
                if self._busy() or time.monotonic() - self._asked < _REST_S:
                    await asyncio.sleep(_QUIET_POLL_S)
                    continue
                try:
                    machine = await self._make(vcpu_count)
                except MachineError as error:
                    self._progress(f"no machine can be kept warm: {error}")
                    await asyncio.sleep(_AGAIN_S)
                else:
                    self._waiting[vcpu_count].append(machine)

    def _lacking(self) -> int | None:
        for vcpu_count, size in self._sizes.items():
            waiting = self._waiting[vcpu_count]
            for machine in [machine for machine in waiting if not machine.alive]:
                waiting.remove(machine)
            if len(waiting) < size:
                return vcpu_count
        return None
