"""Which machines a service has, by its settings and by its host: real ones, or none and why."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sessions.domain.machine_sizes import MEMORY_MB, VCPU_COUNT
from sessions.runtimes.vm.availability import obstacle
from sessions.runtimes.vm.image import default_cache
from sessions.runtimes.vm.port import Machine, Machines, RuntimeUnavailable, Wanted
from sessions.settings import Settings

if TYPE_CHECKING:
    from sessions.runtimes.vm.runtime import Qemu

MACHINES_FOLDER: Final = "machines"
RUNTIME: Final = "sessions.runtimes.vm.runtime"


class NoMachines:
    """Makes no machine, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def warm_count(self) -> int:
        """None."""
        return 0

    async def open(self) -> int:
        """There is nothing to remove."""
        return 0

    async def check(self) -> None:
        """Raises RuntimeUnavailable."""
        raise RuntimeUnavailable(self._why)

    async def start(self, wanted: Wanted, spawned: Callable[[str], None]) -> Machine:
        """Raises RuntimeUnavailable."""
        raise RuntimeUnavailable(self._why)

    async def forget(self, name: str) -> None:
        """What is kept stays: it may be that machines are switched on again."""

    def keeps(self, name: str) -> bool:
        """True: nobody looks, so nothing is taken for lost."""
        return True

    async def kept(self) -> tuple[str, ...]:
        """Nothing that could be removed."""
        return ()

    async def close(self) -> None:
        """There is nothing to end."""


class HostMachines:
    """Machines of this host; what they need is looked for when the first one is wanted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = cache_of(settings)
        self._fit = False
        self._qemu: Qemu | None = None

    @property
    def warm_count(self) -> int:
        """How many machines wait, warm."""
        return 0 if self._qemu is None else self._qemu.warm_count

    async def open(self) -> int:
        """End and remove what an earlier service left; begin to keep machines warm, if wanted."""
        if not (self._settings.vm_warm or (self._settings.folder / MACHINES_FOLDER).exists()):
            return 0
        await self.check()
        return await self._machines().open()

    async def check(self) -> None:
        """Return where machines can be made, as far as a look tells; raises RuntimeUnavailable."""
        if self._fit:
            return
        found = await obstacle(self._cache)
        if found is not None:
            why, install = found
            raise RuntimeUnavailable(f"{why}: {install}" if install else why)
        # Not on the loop: dozens of modules are read.
        await asyncio.to_thread(importlib.import_module, RUNTIME)
        self._fit = True

    async def start(self, wanted: Wanted, spawned: Callable[[str], None]) -> Machine:
        """A machine that answers; raises RuntimeUnavailable and MachineFailed."""
        await self.check()
        return await self._machines().start(wanted, spawned)

    async def forget(self, name: str) -> None:
        """Remove a kept state; nothing where machines cannot be made."""
        if self._fit:
            await self._machines().forget(name)

    def keeps(self, name: str) -> bool:
        """True if there is a kept state of that name, or nobody can look for it now."""
        return not self._fit or self._machines().keeps(name)

    async def kept(self) -> tuple[str, ...]:
        """The names of all kept states that may be removed."""
        return await self._machines().kept() if self._fit else ()

    async def close(self) -> None:
        """End every machine, quickly."""
        if self._qemu is not None:
            await self._qemu.close()

    def _machines(self) -> Qemu:
        if self._qemu is None:
            # Only here: a service without the extra has no such module, and needs none.
            from sessions.runtimes.vm.runtime import Qemu

            # As large as the machine of a session that asks for no size.
            warm = {VCPU_COUNT: self._settings.vm_warm} if self._settings.vm_warm else {}
            self._qemu = Qemu(self._settings.folder, self._cache, warm=warm, warm_mb=MEMORY_MB)
        return self._qemu


def cache_of(settings: Settings) -> Path:
    """Where images and templates are, for all services of this user."""
    return default_cache() if settings.vm_cache is None else Path(settings.vm_cache).expanduser()


def machines_of(settings: Settings) -> Machines:
    """The machines of a service with these settings."""
    if settings.vm == "off":
        return NoMachines("machines are switched off here: start the service with --vm auto")
    return HostMachines(settings)
