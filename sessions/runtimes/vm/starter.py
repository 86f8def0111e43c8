"""How machines come to life: booted as a template, cloned from one, or gone on from a kept one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.undoing import undone
from sessions.runtimes.vm.argv import BASE_MB, Shape
from sessions.runtimes.vm.channel import Channel
from sessions.runtimes.vm.engine import (
    MEMORY_OF_ITS_OWN,
    Engine,
    Files,
    Memory,
    memory_from_template,
    memory_of_template,
)
from sessions.runtimes.vm.image import Image
from sessions.runtimes.vm.isolation import MACHINES_MAX, Isolation
from sessions.runtimes.vm.kept import Kept, KeptMachines
from sessions.runtimes.vm.machine import Birth, Origin, Patience, QemuMachine
from sessions.runtimes.vm.memory_files import copy_sparse, opened, reopen, unnamed_file
from sessions.runtimes.vm.port import MachineFailed, Program
from sessions.runtimes.vm.sweep import machine_name
from sessions.runtimes.vm.templates import Template

Spawned = Callable[[str], None]
"""Is told the acceleration when the process of a machine runs."""

_BOOT_S: Final = 180.0
_WAKE_S: Final = 60.0
_WARM_OUTPUT_MAX: Final = 4096
_WARM_S: Final = 90.0
_READ: Final = 256 << 10

# Nothing of a user; only so that what every program needs has been read and translated once.
WARMING: Final = (
    Program(language="bash", code="ls / | grep -c . && python3 -c pass", timeout_s=_WARM_S),
)


class _Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine goes on from; its descriptors are closed by whoever goes on."""

    shape: Shape
    image: Image
    image_key: str
    key: str
    root: Path
    memory: Memory
    memory_mb: int
    disk: int
    state: int


class Starter:
    """Starts machines, and leaves nothing behind of one that did not start."""

    def __init__(
        self, tag: str, run: Path, isolation: Isolation, kept: KeptMachines, patience: Patience
    ) -> None:
        self._tag = tag
        self._run = run
        self._isolation = isolation
        self._kept = kept
        self._patience = patience

    async def boot_template(self, image: Image, shape: Shape, memory: int, state: int) -> None:
        """Boot a machine into these files, up to where users come in; raises MachineFailed."""
        files = Files(kernel=image.vmlinuz, initrd=image.initrd, root=image.root)
        name = f"template-{shape.vcpu_count}"
        disk = await to_its_end(lambda: self._empty_disk(image), os.close)
        try:
            engine = self._spawn(name, shape, files, memory_of_template(memory), disk)
        finally:
            os.close(disk)
        channel = None
        try:
            await engine.connect()
            channel = await _line_of(engine)
            await engine.process.unless_dead(channel.ping(_BOOT_S), _BOOT_S, "the boot")
            await engine.process.unless_dead(_warm(channel), _WARM_S, "the warming")
            await engine.process.unless_dead(channel.quiesce(), _WAKE_S, "the coming to rest")
            await engine.save(state, whole=False)
        finally:
            await undone(_end(engine, channel))

    async def clone(
        self, template: Template, birth: Birth, spawned: Spawned, *, background: bool = False
    ) -> QemuMachine:
        """A machine that goes on from a template, with an empty disk; raises MachineFailed."""
        disk, state = await to_its_end(lambda: self._empty_disk_and(template), _close_both)
        past = _Past(
            shape=template.shape,
            image=template.image,
            image_key=template.image.key,
            key=template.key,
            root=template.image.root,
            memory=memory_from_template(template.memory),
            memory_mb=BASE_MB,
            disk=disk,
            state=state,
        )
        return await self._go_on(past, birth, spawned, background=background)

    async def go_on(self, image: Image, kept: Kept, birth: Birth, spawned: Spawned) -> QemuMachine:
        """A machine that goes on from a kept one, which is closed; raises MachineFailed."""
        manifest = kept.manifest
        past = _Past(
            shape=manifest.shape,
            image=image,
            image_key=manifest.image,
            key=manifest.key,
            root=kept.root,
            memory=MEMORY_OF_ITS_OWN,
            memory_mb=manifest.memory_mb,
            disk=kept.scratch,
            state=kept.state,
        )
        return await self._go_on(past, birth, spawned, background=False)

    async def _go_on(
        self, past: _Past, birth: Birth, spawned: Spawned, *, background: bool
    ) -> QemuMachine:
        began = time.monotonic()
        try:
            line = await self._restore(past, birth.id, spawned, background=background)
        except BaseException:
            os.close(past.disk)
            raise
        finally:
            os.close(past.state)
        origin = Origin(image_key=past.image_key, key=past.key, root=past.root)
        try:
            machine = QemuMachine(
                birth.id, line, past.disk, origin, self._kept, self._patience, past.memory_mb
            )
        except OSError as error:
            os.close(past.disk)
            await undone(_end(*line))
            raise MachineFailed(f"the machine cannot be started: {error}") from None
        try:
            await machine.wake(birth)
        except BaseException:
            await undone(machine.stop())
            raise
        machine.boot_ms = round((time.monotonic() - began) * 1000)
        return machine

    async def _restore(
        self, past: _Past, machine_id: str, spawned: Spawned, *, background: bool
    ) -> tuple[Engine, Channel]:
        # What a kernel needs to be started is part of the state; only its length must be there.
        image = past.image
        stubs = Files(kernel=image.stub_vmlinuz, initrd=image.empty_initrd, root=past.root)
        engine = self._spawn(machine_id, past.shape, stubs, past.memory, past.disk, incoming=True)
        channel = None
        try:
            spawned(past.shape.acceleration)
            await engine.connect(background=background)
            await engine.load(past.state)
            # Before it runs: a port that nobody holds is reported as hung up to the guest.
            channel = await _line_of(engine)
            await engine.run()
        except BaseException:
            await undone(_end(engine, channel))
            raise
        return engine, channel

    def _spawn(
        self,
        machine_id: str,
        shape: Shape,
        files: Files,
        memory: Memory,
        disk: int,
        *,
        incoming: bool = False,
    ) -> Engine:
        cell = self._isolation.cell()
        if cell is None:
            raise MachineFailed(f"{MACHINES_MAX} machines run already, no more have a place")
        name = machine_name(self._tag, machine_id)
        try:
            return Engine(name, shape, files, memory, disk, cell, incoming=incoming)
        except BaseException as error:
            cell.give_back()
            if isinstance(error, OSError):
                raise MachineFailed(f"the machine cannot be started: {error}") from None
            raise

    def _empty_disk_and(self, template: Template) -> tuple[int, int]:
        disk = self._empty_disk(template.image)
        try:
            return disk, reopen(template.state)
        except OSError as error:
            os.close(disk)
            raise MachineFailed(f"the machine cannot be started: {error}") from None

    def _empty_disk(self, image: Image) -> int:
        try:
            with opened(image.scratch) as source, unnamed_file(self._run) as disk:
                copy_sparse(source, disk.fileno())
                return os.dup(disk.fileno())
        except OSError as error:
            raise MachineFailed(f"no disk can be made: {error}") from None


def _close_both(descriptors: tuple[int, int]) -> None:
    for fd in descriptors:
        os.close(fd)


async def _line_of(engine: Engine) -> Channel:
    engine.agent.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=engine.agent, limit=_READ)
    return Channel(reader, writer)


async def _warm(channel: Channel) -> None:
    await channel.warm(_WARM_S)
    for program in WARMING:
        await channel.run(program, _WARM_OUTPUT_MAX)


async def _end(engine: Engine, channel: Channel | None) -> None:
    await engine.close()
    if channel is not None:
        await channel.close()
