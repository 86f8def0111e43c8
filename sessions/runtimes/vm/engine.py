"""One QEMU: its process, its control socket and our end of the line to the agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.vm.argv import (
    MEMORY_DEVICE,
    Descriptors,
    Shape,
    command,
    own_memory,
    pluggable,
    private_memory,
    shared_memory,
)
from sessions.runtimes.vm.isolation import Cell
from sessions.runtimes.vm.port import MachineFailed
from sessions.runtimes.vm.process import Process
from sessions.runtimes.vm.qmp import Control

_POLL_S: Final = 0.004
_CONNECT_S: Final = 20.0
_TRANSFER_S: Final = 600.0
_COMMAND_S: Final = 20.0
# Whoever moves a state works: one that was stopped does not, and need not be waited for.
_STILL_S: Final = 10.0
_UNLIMITED: Final = 1 << 40
_NO_MEMORY_FILE: Final = -1


class Memory(msgspec.Struct, frozen=True):
    """Where the base memory of a machine comes from; see the functions that make one."""

    backend: str
    fd: int = _NO_MEMORY_FILE

    @property
    def in_file(self) -> bool:
        """True where it is, or begins as, a file that is not part of a saved state."""
        return self.fd != _NO_MEMORY_FILE


def memory_of_template(fd: int) -> Memory:
    """The machine writes into that file."""
    return Memory(shared_memory(fd), fd)


def memory_from_template(fd: int) -> Memory:
    """The machine begins with what is in that file, and never writes to it."""
    return Memory(private_memory(fd), fd)


MEMORY_OF_ITS_OWN: Final = Memory(own_memory())


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What QEMU reads."""

    kernel: Path
    initrd: Path
    root: Path


class Engine:
    """A QEMU that was spawned; close it, whatever happens."""

    def __init__(
        self,
        name: str,
        shape: Shape,
        files: Files,
        memory: Memory,
        disk: int,
        cell: Cell,
        *,
        incoming: bool,
    ) -> None:
        """Spawn it; raises MachineFailed, or OSError where no descriptor is left.

        `incoming` waits for a state before anything runs.
        """
        self.shape = shape
        self.cell = cell
        self._memory = memory
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as lent:
            control, its_control = _socket_pair(ours, lent)
            self.control = Control(control)
            ours.callback(self.control.abandon)
            self.agent, its_agent = _socket_pair(ours, lent)
            paths = (files.kernel, files.initrd, files.root)
            kernel, initrd, root = (_opened(lent, path) for path in paths)
            given = Descriptors(
                kernel=kernel,
                initrd=initrd,
                root=root,
                scratch=disk,
                control=its_control.fileno(),
                agent=its_agent.fileno(),
            )
            line = command(
                shape, name, memory.backend, given, incoming=incoming, console=not incoming
            )
            descriptors = [
                *msgspec.structs.astuple(given),
                *([memory.fd] if memory.in_file else []),
            ]
            self.process = Process([*cell.prefix(shape.vcpu_count), *line], descriptors)
            ours.pop_all()

    async def connect(self, *, background: bool = False) -> None:
        """Return when QEMU takes commands, in its groups; raises MachineFailed."""
        pid, vcpu_count = self.process.pid, self.shape.vcpu_count
        # The kernel takes its time for a group, so that is not for the loop's thread.
        await to_its_end(lambda: self.cell.confine(pid, vcpu_count, background=background))
        await self.process.unless_dead(self.control.connect(), _CONNECT_S, "the start of QEMU")

    async def ask(self, name: str, **arguments: object) -> object:
        """The answer to a command; raises MachineFailed, also where none comes."""
        return await self.process.unless_dead(
            self.control.execute(name, **arguments), _COMMAND_S, name
        )

    async def load(self, state: int) -> None:
        """Be where the machine was when `state` was saved, still stopped; raises MachineFailed."""
        await self._ignore_shared(self._memory.in_file)
        await self.process.unless_dead(
            self.control.hand_over(state, "state"), _COMMAND_S, "the hand-over of a state"
        )
        await self.ask("migrate-incoming", uri="fd:state")
        await self.process.unless_dead(
            self._loaded(), _TRANSFER_S, "the restore of a state", _STILL_S
        )

    async def run(self) -> None:
        """Let it run; raises MachineFailed."""
        await self.ask("cont")

    async def save(self, state: int, *, whole: bool) -> None:
        """Stop it and write its state; it stays stopped. Raises MachineFailed.

        Only a `whole` state holds the memory too; otherwise that must be in a file already.
        """
        await self.ask("stop")
        await self._ignore_shared(not whole)
        await self.ask("migrate-set-parameters", max_bandwidth=_UNLIMITED)
        await self.process.unless_dead(
            self.control.hand_over(state, "state"), _COMMAND_S, "the hand-over of a file"
        )
        try:
            await self.ask("migrate", uri="fd:state")
            await self.process.unless_dead(
                self._saved(), _TRANSFER_S, "the saving of a state", _STILL_S
            )
        except BaseException:
            with contextlib.suppress(MachineFailed):
                await asyncio.shield(self.ask("migrate_cancel"))
            raise

    async def plugged(self) -> int:
        """How many bytes of memory were plugged in and taken by the guest; raises MachineFailed."""
        answer = await self.ask("query-memory-devices")
        assert isinstance(answer, list)
        return int(answer[0]["data"]["size"])

    async def plug(self, memory_mb: int) -> int:
        """Ask the guest to take memory until it has that much in all; how many bytes are new."""
        wanted, there = pluggable(memory_mb), await self.plugged()
        if wanted > there:
            await self.ask("qom-set", path=MEMORY_DEVICE, property="requested-size", value=wanted)
        return max(0, wanted - there)

    async def close(self) -> int:
        """Kill it and wait: nothing is left of it. Its exit code. Never raises."""
        self.process.kill()
        code = await asyncio.shield(self.process.died)
        await self.control.hear_out()
        await self.control.close()
        self.agent.close()
        await self.cell.leave()
        return code

    async def _ignore_shared(self, ignored: bool) -> None:
        switch = {"capability": "x-ignore-shared", "state": ignored}
        await self.ask("migrate-set-capabilities", capabilities=[switch])

    async def _loaded(self) -> None:
        while True:
            if (await self._status("query-status"))["status"] != "inmigrate":
                return
            await asyncio.sleep(_POLL_S)

    async def _saved(self) -> None:
        while True:
            status = await self._status("query-migrate")
            if status["status"] == "completed":
                return
            if status["status"] in ("failed", "cancelled"):
                why = status.get("error-desc", "no room, or a file that cannot be written")
                raise MachineFailed(f"the state could not be saved: {why}")
            await asyncio.sleep(_POLL_S)

    async def _status(self, query: str) -> dict[str, str]:
        answer = await self.control.execute(query)
        assert isinstance(answer, dict)
        return answer


def _socket_pair(
    ours: contextlib.ExitStack, lent: contextlib.ExitStack
) -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    ours.callback(near.close)
    lent.callback(far.close)
    return near, far


def _opened(lent: contextlib.ExitStack, path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MachineFailed(f"a file of the guest is gone: {error}") from None
    lent.callback(os.close, fd)
    return fd
