"""A machine on QEMU: its agent does what is asked, and its end is noticed however it comes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from sessions.runtimes.vm.argv import MEMORY_MB_MAX
from sessions.runtimes.vm.channel import Channel
from sessions.runtimes.vm.endings import CUT_OFF, STOPPED, SUSPENDED, ending_of, silent_for
from sessions.runtimes.vm.engine import Engine
from sessions.runtimes.vm.kept import Keeping, KeptMachines, KeptManifest
from sessions.runtimes.vm.memory_files import duplicate
from sessions.runtimes.vm.port import Ending, MachineFailed, Outcome, Program, Terminal

_SCRATCH_DEVICE: Final = "/dev/vdb"
_SEED_BYTES: Final = 64
_HOTPLUG_S: Final = 60.0
_HOTPLUG_POLL_S: Final = 0.02
# A block that the guest has taken may count some pages less than it has.
_BLOCK_LOSS: Final = 4 << 20
_QUIESCE_S: Final = 10.0
# A busy host takes its time to end a process that stands back behind all others.
_DYING_S: Final = 5.0

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """When a machine that says nothing counts as lost: after so many pings in a row."""

    ping_every_s: float = 5.0
    ping_s_max: float = 5.0
    misses_max: int = 2


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine was made from; `key` names what a state of it depends on."""

    image_key: str
    key: str
    root: Path


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine becomes besides a copy of what it goes on from."""

    id: str
    memory_mb: int
    env: dict[str, str] = {}


class QemuMachine:
    """A machine that answers; made by a `Starter`."""

    def __init__(
        self,
        machine_id: str,
        line: tuple[Engine, Channel],
        disk: int,
        origin: Origin,
        kept: KeptMachines,
        patience: Patience,
        memory_mb: int,
    ) -> None:
        self.id = machine_id
        self._engine, self._channel = line
        self.acceleration: str = self._engine.shape.acceleration
        self.boot_ms = 0
        self.memory_mb = memory_mb
        self._disk = disk
        self._origin = origin
        # Held open: what it was made from may be removed while it lives.
        self._root = os.open(origin.root, os.O_RDONLY | os.O_CLOEXEC)
        self._kept = kept
        self._patience = patience
        self._intended: Ending | None = None
        self._turn = asyncio.Lock()
        self._awake = asyncio.Event()
        self._awake.set()
        self._life = asyncio.create_task(self._live(), name=f"machine {machine_id}")

    @property
    def alive(self) -> bool:
        """False as soon as it has begun to end."""
        return self._intended is None and not self._engine.process.died.done()

    @property
    def pid(self) -> int:
        """The process of its QEMU."""
        return self._engine.process.pid

    async def ended(self) -> Ending:
        """Wait for the end of the machine, however it comes."""
        return await asyncio.shield(self._life)

    async def execute(self, program: Program, output_bytes_max: int) -> Outcome:
        """Run a program to its end; raises MachineFailed where the machine ends before."""
        return await self._unless_ended(self._channel.run(program, output_bytes_max))

    async def put(self, path: str, data: AsyncIterator[bytes]) -> int:
        """Write a file, its folders made where missing; its size. Raises GuestRefused."""
        return await self._unless_ended(self._channel.put(path, data))

    async def get(self, path: str, bytes_max: int) -> AsyncIterator[bytes]:
        """The bytes of a file; raises GuestRefused, also for one that is larger."""
        try:
            async for chunk in self._channel.get(path, bytes_max):
                yield chunk
        except MachineFailed:
            await self._raise_if_ended()
            raise

    async def setenv(self, env: dict[str, str]) -> None:
        """What later programs find in their environment besides what is there."""
        await self._unless_ended(self._channel.setenv(env))

    async def resize(self, memory_mb: int) -> int:
        """Grow the memory; how much there is now. It never shrinks."""
        wanted = min(memory_mb, MEMORY_MB_MAX)
        async with self._turn:
            if wanted > self.memory_mb:
                before = await self._unless_ended(self._channel.memory_total())
                added = await self._engine.plug(wanted)
                await self._unless_ended(self._taken(before + added - _BLOCK_LOSS))
                self.memory_mb = wanted
        return self.memory_mb

    async def keep(self, name: str) -> int:
        """Keep a copy of the whole machine under `name` while it goes on; its size in bytes."""
        return await self._keep_whole(name, goes_on=True)

    async def suspend(self, name: str) -> int:
        """Keep the machine under `name` and end its process; its size in bytes."""
        size = await self._keep_whole(name, goes_on=False)
        await self.ended()
        return size

    async def terminal(self, cols: int, rows: int, shell: str, command: str) -> Terminal:
        """A new terminal that runs `shell`, or `command` in a login shell where it is given."""
        return await self._unless_ended(self._channel.terminal(cols, rows, shell, command))

    async def stop(self) -> None:
        """End the machine and everything of it; returns when nothing is left."""
        self._end(STOPPED)
        await self.ended()

    async def left(self) -> None:
        """Return when nobody keeps or resizes the machine any more, which must have ended."""
        async with self._turn:
            pass

    async def wake(self, birth: Birth) -> None:
        """A clone has the chance, the time and the debts of what it was made from: they end here.

        Raises MachineFailed.
        """
        await self._unless_ended(self._channel.sync())
        await asyncio.gather(self._come_to_itself(birth), self.resize(birth.memory_mb))

    async def become(self, birth: Birth) -> None:
        """A machine that waited becomes that one; raises MachineFailed."""
        self.id = birth.id
        await asyncio.to_thread(self._engine.cell.hurry, self.pid, background=False)
        await asyncio.gather(
            self._unless_ended(self._channel.set_clock(time.time_ns())),
            self.setenv(birth.env),
            self.resize(birth.memory_mb),
        )

    async def _come_to_itself(self, birth: Birth) -> None:
        await self._unless_ended(self._channel.reseed(os.urandom(_SEED_BYTES)))
        await self._unless_ended(self._channel.set_clock(time.time_ns()))
        await self._unless_ended(self._channel.mount(_SCRATCH_DEVICE))
        await self.setenv(birth.env)

    def _end(self, intended: Ending) -> None:
        if self._intended is None:
            self._intended = intended
        self._engine.process.kill()

    async def _live(self) -> Ending:
        """Until the machine is gone and nothing is left of it."""
        process = self._engine.process
        silence = asyncio.create_task(self._until_silent())
        cut_off = asyncio.create_task(self._until_cut_off())
        either: set[asyncio.Future[Any]] = {process.died, silence, cut_off}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        lost = None if process.died.done() else CUT_OFF
        if lost and silence.done():
            lost = silent_for(self._engine.control.disk_trouble)
        for task in (silence, cut_off):
            task.cancel()
        await asyncio.wait({silence, cut_off})
        code = await self._engine.close()
        await self._channel.close()
        # The last to let go of the disk waits for it to be taken apart.
        await asyncio.to_thread(os.close, self._disk)
        os.close(self._root)
        if self._intended is not None:
            return self._intended
        return lost or ending_of(code, self._engine.control.said, process.last_words)

    async def _until_silent(self) -> None:
        misses = 0
        while misses < self._patience.misses_max:
            await asyncio.sleep(self._patience.ping_every_s)
            await self._awake.wait()
            try:
                await self._channel.ping(self._patience.ping_s_max)
                misses = 0
            except MachineFailed:
                misses += self._awake.is_set()

    async def _until_cut_off(self) -> None:
        await self._channel.ended()
        # The line breaks a moment before the process ends, which knows better why.
        await asyncio.sleep(_DYING_S)

    async def _taken(self, total: int) -> None:
        """Wait until the guest counts that many bytes of memory as its own."""
        for _ in range(int(_HOTPLUG_S / _HOTPLUG_POLL_S)):
            if await self._channel.memory_total() >= total:
                return
            await asyncio.sleep(_HOTPLUG_POLL_S)
        raise MachineFailed("the machine does not take more memory")

    async def _keep_whole(self, name: str, *, goes_on: bool) -> int:
        """Never half-way: who is cancelled leaves it to come to its end, and to fail unheard."""
        keeping = asyncio.ensure_future(self._keep(name, goes_on=goes_on))
        keeping.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(keeping)

    async def _keep(self, name: str, *, goes_on: bool) -> int:
        async with self._turn:
            if not self.alive:
                raise await self._failure()
            try:
                with duplicate(self._root) as root, duplicate(self._disk) as disk:
                    return await self._keep_files(name, root, disk, goes_on=goes_on)
            except OSError as error:
                raise MachineFailed(f"the machine cannot be kept: {error}") from None

    async def _keep_files(self, name: str, root_fd: int, disk: int, *, goes_on: bool) -> int:
        """The same with descriptors that stay open if the machine ends meanwhile."""
        root = self._origin.root
        if not root.exists():
            root = Path(f"/proc/self/fd/{root_fd}")
        keeping = await asyncio.to_thread(self._kept.begin, name, root)
        try:
            return await self._keep_in(keeping, disk, goes_on=goes_on)
        finally:
            await asyncio.to_thread(keeping.discard)

    async def _keep_in(self, keeping: Keeping, disk: int, *, goes_on: bool) -> int:
        manifest = KeptManifest(
            key=self._origin.key,
            image=self._origin.image_key,
            shape=self._engine.shape,
            memory_mb=self.memory_mb,
        )
        self._awake.clear()
        try:
            async with asyncio.timeout(_QUIESCE_S):
                await self._unless_ended(self._channel.quiesce())
            await self._engine.save(keeping.state, whole=True)
            scratch = await asyncio.to_thread(keeping.copy_scratch, disk)
            if not goes_on:
                size = await asyncio.to_thread(keeping.finish, manifest, scratch)
                self._end(SUSPENDED)
                return size
        except TimeoutError:
            raise MachineFailed("the machine did not come to rest") from None
        finally:
            if self.alive:
                await self._go_on()
        return await asyncio.to_thread(keeping.finish, manifest, scratch)

    async def _go_on(self) -> None:
        try:
            await self._engine.run()
            await self._unless_ended(self._channel.unquiesce())
            # Its clock stood still as long as it did.
            await self._unless_ended(self._channel.set_clock(time.time_ns()))
        finally:
            self._awake.set()

    async def _unless_ended(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except MachineFailed:
            await self._raise_if_ended()
            raise

    async def _raise_if_ended(self) -> None:
        # The line breaks a moment before the process ends: no machine lives without the one, and
        # only its end says why.
        if self._channel.over or not self.alive:
            raise await self._failure() from None

    async def _failure(self) -> MachineFailed:
        return MachineFailed(f"the machine is gone: {(await self.ended()).detail}")
