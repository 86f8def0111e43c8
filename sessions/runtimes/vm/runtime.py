"""All machines of one service on QEMU; what they need is made when the first one is wanted."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.leftovers import empty, tag_of
from sessions.runtimes.pool import WarmPool
from sessions.runtimes.undoing import undone
from sessions.runtimes.vm.acceleration import find_acceleration, qemu_version
from sessions.runtimes.vm.argv import BASE_MB, Shape
from sessions.runtimes.vm.control_groups import find_control_groups
from sessions.runtimes.vm.image import Image, build_image
from sessions.runtimes.vm.isolation import Isolation, find_isolation
from sessions.runtimes.vm.kept import Kept, KeptMachines
from sessions.runtimes.vm.machine import Birth, Patience, QemuMachine
from sessions.runtimes.vm.port import MachineError, MachineFailed, RuntimeUnavailable, Wanted
from sessions.runtimes.vm.programs import TO_RUN, missing, packages_of
from sessions.runtimes.vm.starter import WARMING, Spawned, Starter
from sessions.runtimes.vm.sweep import end_orphans
from sessions.runtimes.vm.templates import Templates

VCPU_COUNTS: Final = (1, 2, 4, 6, 8)
MACHINES_FOLDER: Final = "machines"

_WARM_OUTPUT_MAX: Final = 4096

_log = structlog.get_logger()


class _Ground:
    """What all machines of the service stand on, once it is there."""

    def __init__(
        self, image: Image, shape: Callable[[int], Shape], templates: Templates, starter: Starter
    ) -> None:
        self.image = image
        self.shape = shape
        self.templates = templates
        self.starter = starter


class Qemu:
    """Machines; implements `Machines`. Make it on the loop, and close it."""

    def __init__(
        self,
        folder: Path,
        cache: Path,
        *,
        warm: Mapping[int, int] | None = None,
        warm_mb: int = BASE_MB,
        starts_max: int = os.cpu_count() or 1,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """`folder` is the data folder, `cache` one for all services.

        `warm` machines wait, so many by vCPUs, for whoever wants at least `warm_mb` of memory.
        """
        self.cache = cache
        self._tag = tag_of(folder)
        self._run = folder / MACHINES_FOLDER / "run"
        self._kept = KeptMachines(folder / MACHINES_FOLDER / "kept")
        self._starting = asyncio.Semaphore(starts_max)
        self._waiting = 0
        self._patience = patience
        self._progress = progress or _tell
        self._machines: set[QemuMachine] = set()
        self._tasks: set[asyncio.Task[QemuMachine]] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._warming: asyncio.Task[None] | None = None
        self._opened = False
        self._closed = False
        self._isolation: Isolation | None = None
        self._ground: _Ground | None = None
        self._warm_mb = warm_mb
        self._pool: WarmPool[QemuMachine] = WarmPool(
            warm or {}, self._make_warm, self._is_busy, self._not_warm, MachineError
        )

    async def open(self) -> int:
        """End what an earlier service of this folder left; how many machines that were.

        Begins to keep machines warm, where any are wanted. Only the first call does anything.
        """
        async with self._turn:
            if self._opened:
                return 0
            ended = await to_its_end(lambda: end_orphans(self._tag))
            await to_its_end(lambda: empty(self._run))
            await to_its_end(self._kept.sweep)
            groups = await asyncio.to_thread(find_control_groups, self._tag)
            await groups.remove()
            self._opened = True
        if self._pool.wanted and not self._closed:
            self._warming = asyncio.create_task(self._warm_up())
        return ended

    async def check(self) -> None:
        """Return where machines can be made, as far as a look tells; raises RuntimeUnavailable."""
        if self._ground is None:
            _check_programs()

    async def prepare(self, vcpu_count: int | None = None) -> None:
        """Have all that a machine of so many vCPUs is made from, or of any number.

        Raises RuntimeUnavailable or MachineFailed.
        """
        ground = await self._grounded()
        for count in VCPU_COUNTS if vcpu_count is None else (vcpu_count,):
            await ground.templates.get(ground.image, ground.shape(count))

    @property
    def warm_count(self) -> int:
        """How many machines wait warm."""
        return self._pool.count

    async def start(self, wanted: Wanted, spawned: Spawned) -> QemuMachine:
        """A machine that answers; `spawned` is told the acceleration when its process runs.

        Raises RuntimeUnavailable or MachineFailed, and leaves nothing behind then.
        """
        if self._closed:
            raise MachineFailed("the service is ending")
        if wanted.vcpu_count not in VCPU_COUNTS:
            raise MachineFailed(f"a machine has {_either(VCPU_COUNTS)} vCPUs")
        task = asyncio.create_task(self._start(wanted, spawned))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await undone(_given_up(task))
            raise
        if task.cancelled():
            raise MachineFailed("the service is ending")
        return task.result()

    async def forget(self, name: str) -> None:
        """Remove a kept state; nothing where there is none."""
        await asyncio.to_thread(self._kept.forget, name)

    def keeps(self, name: str) -> bool:
        """True if there is a kept state of that name."""
        return self._kept.keeps(name)

    async def kept(self) -> tuple[str, ...]:
        """The names of all kept states; what was not finished is removed first."""
        await self.open()
        return await asyncio.to_thread(self._kept.names)

    async def close(self) -> None:
        """End every machine, quickly."""
        self._closed = True
        tasks: set[asyncio.Task[Any]] = {*self._tasks}
        if self._warming is not None:
            tasks.add(self._warming)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._pool.close()
        machines = set(self._machines)
        await asyncio.gather(*(machine.stop() for machine in machines))
        await asyncio.gather(*(machine.left() for machine in machines))
        if self._ground is not None:
            self._ground.templates.close()
        if self._isolation is not None:
            await self._isolation.groups.remove()

    async def _start(self, wanted: Wanted, spawned: Spawned) -> QemuMachine:
        ground = await self._grounded()
        self._pool.start()
        self._waiting += 1
        try:
            if not wanted.kept:
                # Not while it holds a place among the starts: a template may take long.
                await ground.templates.get(ground.image, ground.shape(wanted.vcpu_count))
            async with self._starting:
                machine = await self._raise(ground, wanted, spawned)
        finally:
            self._waiting -= 1
        self._remember(machine)
        return machine

    async def _raise(self, ground: _Ground, wanted: Wanted, spawned: Spawned) -> QemuMachine:
        birth = Birth(id=wanted.id, memory_mb=wanted.memory_mb, env=wanted.env)
        if wanted.kept:
            return await self._go_on(ground, wanted, birth, spawned)
        machine = await self._from_pool(wanted.vcpu_count, birth)
        if machine is not None:
            spawned(machine.acceleration)
            return machine
        shape = ground.shape(wanted.vcpu_count)
        template = await ground.templates.get(ground.image, shape)
        return await ground.starter.clone(template, birth, spawned)

    async def _from_pool(self, vcpu_count: int, birth: Birth) -> QemuMachine | None:
        # The memory of a machine never shrinks.
        while birth.memory_mb >= self._warm_mb:
            machine = self._pool.take(vcpu_count)
            if machine is None:
                break
            try:
                await _hand_out(machine, birth)
            except MachineFailed as error:
                self._progress(f"a warm machine could not be handed out: {error}")
            else:
                return machine
        return None

    async def _go_on(
        self, ground: _Ground, wanted: Wanted, birth: Birth, spawned: Spawned
    ) -> QemuMachine:
        kept = await to_its_end(lambda: self._kept.open(wanted.kept, self._run), Kept.close)
        try:
            shape = kept.manifest.shape
            if shape.vcpu_count != wanted.vcpu_count:
                raise MachineFailed(f"the kept machine has {shape.vcpu_count} vCPUs, for good")
            # Another QEMU, another acceleration: its state would not be understood.
            key = ground.templates.key_of(kept.manifest.image, ground.shape(shape.vcpu_count))
            if key != kept.manifest.key:
                raise MachineFailed("the machine was kept by another QEMU or on another processor")
        except BaseException:
            kept.close()
            raise
        return await ground.starter.go_on(ground.image, kept, birth, spawned)

    async def _make_warm(self, vcpu_count: int) -> QemuMachine:
        ground = await self._grounded()
        template = await ground.templates.get(ground.image, ground.shape(vcpu_count))
        birth = Birth(id=f"warm-{uuid.uuid4().hex}", memory_mb=self._warm_mb)
        machine = await ground.starter.clone(template, birth, lambda _: None, background=True)
        self._remember(machine)
        try:
            for program in WARMING:
                await machine.execute(program, _WARM_OUTPUT_MAX)
        except BaseException:
            await undone(machine.stop())
            raise
        return machine

    def _is_busy(self) -> bool:
        return self._waiting > 0

    def _remember(self, machine: QemuMachine) -> None:
        async def until_ended() -> None:
            await machine.ended()
            self._machines.discard(machine)

        self._machines.add(machine)
        task = asyncio.create_task(until_ended())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _warm_up(self) -> None:
        try:
            await self._grounded()
        except MachineError as error:
            self._not_warm(error)
        else:
            self._pool.start()

    def _not_warm(self, error: Exception) -> None:
        self._progress(f"no machine can be kept warm: {error}")

    async def _grounded(self) -> _Ground:
        await self.open()
        async with self._turn:
            if self._ground is None:
                self._ground = await self._make_ground()
            elif not await asyncio.to_thread(self._ground.image.root.exists):
                # Somebody has emptied the cache under a running service.
                self._ground.image = await build_image(self.cache, self._progress)
            return self._ground

    async def _make_ground(self) -> _Ground:
        _check_programs()
        image = await build_image(self.cache, self._progress)
        acceleration = await find_acceleration(self.cache, image, self._progress)
        version = await asyncio.to_thread(qemu_version)
        self._isolation = await find_isolation(self._tag)
        await self._isolation.groups.remove()
        starter = Starter(self._tag, self._run, self._isolation, self._kept, self._patience)
        templates = Templates(self.cache, version, starter.boot_template, self._progress)

        def shape(vcpu_count: int) -> Shape:
            return Shape(acceleration=acceleration.name, vcpu_count=vcpu_count)

        return _Ground(image, shape, templates, starter)


def _check_programs() -> None:
    absent = missing(TO_RUN)
    if absent:
        raise RuntimeUnavailable(
            f"there is no {', '.join(absent)}: apt-get install {' '.join(packages_of(absent))}"
        )


async def _given_up(starting: asyncio.Task[QemuMachine]) -> None:
    """Nothing is left of a start that was cancelled, also where it was faster."""
    await asyncio.wait({starting})
    if not starting.cancelled() and starting.exception() is None:
        await starting.result().stop()


async def _hand_out(machine: QemuMachine, birth: Birth) -> None:
    began = time.monotonic()
    try:
        await machine.become(birth)
    except BaseException:
        await undone(machine.stop())
        raise
    machine.boot_ms = round((time.monotonic() - began) * 1000)


def _tell(words: str) -> None:
    _log.info("machines", doing=words)


def _either(numbers: tuple[int, ...]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} or {last}"
