"""Machines that do as a script says: what a runtime may do wrong, at each step, without QEMU.

What was kept is in `disk`, which outlives the service as a real disk does; machines do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from sessions.runtimes.vm.port import (
    Ending,
    GuestRefused,
    MachineFailed,
    Outcome,
    Program,
    RuntimeUnavailable,
    Wanted,
)
from tests.support.script import Act as Act
from tests.support.script import Died
from tests.support.script import Script as Plot

STEPS: Final = (
    "check",
    "spawn",
    "boot",
    "execute",
    "setenv",
    "resize",
    "keep",
    "suspend",
    "put",
    "get",
    "terminal",
    "stop",
    "forget",
)


class Script(Plot):
    """What machines do wrong at which time of which step."""

    def __init__(self, **acts: Act) -> None:
        missing = RuntimeUnavailable("there is no QEMU: apt-get install qemu-system-x86")
        super().__init__(MachineFailed, missing, acts)

    async def at(self, step: str, machine: Any = None) -> None:
        """Do what the script says of this step."""
        try:
            await self.perform(step)
        except Died:
            if machine is not None:
                machine.end(Ending(reason="runtime_lost", detail="the process is gone"))
            raise MachineFailed(f"the machine died at {step}") from None


class ScriptedTerminal:
    """A terminal that says again what is typed."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.size = (0, 0)
        self._typed: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def output(self) -> AsyncIterator[bytes]:
        """What was typed, until the terminal ends."""
        while (data := await self._typed.get()) is not None:
            yield data

    async def write(self, data: bytes) -> None:
        """Show the keystrokes."""
        self._typed.put_nowait(data)

    async def resize(self, cols: int, rows: int) -> None:
        """Note the size."""
        self.size = (cols, rows)

    async def kill(self) -> None:
        """End it."""
        if self.exit_code is None:
            self.exit_code = 129
            self._typed.put_nowait(None)


class ScriptedMachine:
    """A machine with files and variables and nothing else."""

    def __init__(self, owner: ScriptedMachines, wanted: Wanted, files: dict[str, bytes]) -> None:
        self.id = wanted.id
        self.acceleration = "script"
        self.boot_ms = 7
        self.memory_mb = wanted.memory_mb
        self.env = dict(wanted.env)
        self.files = files
        self.programs: list[Program] = []
        self._owner = owner
        self._script = owner.script
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        """True until it ends."""
        return not self._ending.done()

    def end(self, ending: Ending) -> None:
        """The process is gone."""
        if self.alive:
            self._ending.set_result(ending)
            self._owner.running.pop(self.id, None)

    async def ended(self) -> Ending:
        """Wait for the end."""
        return await asyncio.shield(self._ending)

    async def execute(self, program: Program, output_bytes_max: int) -> Outcome:
        """Run `echo TEXT`, `env NAME`, `exit CODE`, `yes BYTES`, `sleep`; else say the code."""
        self.programs.append(program)
        run = asyncio.create_task(self._run(program, output_bytes_max))
        ended = asyncio.create_task(self.ended())
        await asyncio.wait({run, ended}, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            ended.cancel()
            return run.result()
        run.cancel()
        raise MachineFailed(f"the machine ended: {ended.result().detail}")

    async def _run(self, program: Program, output_bytes_max: int) -> Outcome:
        await self._script.at("execute", self)
        word, _, rest = program.code.partition(" ")
        code, out, timed_out = 0, f"{program.code}\n".encode(), False
        match word:
            case "echo":
                out = f"{rest}\n".encode()
            case "env":
                out = f"{self.env.get(rest, '')}\n".encode()
            case "exit":
                code, out = int(rest), b""
            case "yes":
                out = b"y" * int(rest)
            case "sleep":
                await asyncio.sleep(program.timeout_s)
                out, timed_out = b"", True
            case _:
                pass
        return Outcome(
            exit_code=None if timed_out else code,
            stdout=out[:output_bytes_max],
            stderr=b"",
            stdout_bytes=len(out),
            stderr_bytes=0,
            timed_out=timed_out,
            duration_ms=3,
            cpu_ms=2,
        )

    async def put(self, path: str, data: AsyncIterator[bytes]) -> int:
        """Keep the file."""
        content = b"".join([part async for part in data])
        await self._script.at("put", self)
        self.files[path] = content
        return len(content)

    async def get(self, path: str, bytes_max: int) -> AsyncIterator[bytes]:
        """The file."""
        await self._script.at("get", self)
        if path not in self.files:
            raise GuestRefused(f"no such file: {path}")
        if len(self.files[path]) > bytes_max:
            raise GuestRefused(f"the file is too large: {path}")
        yield self.files[path]

    async def setenv(self, env: dict[str, str]) -> None:
        """Add to the environment."""
        await self._script.at("setenv", self)
        self.env |= env

    async def resize(self, memory_mb: int) -> int:
        """Grow."""
        await self._script.at("resize", self)
        self.memory_mb = max(self.memory_mb, memory_mb)
        return self.memory_mb

    async def keep(self, name: str) -> int:
        """Copy the files to the disk."""
        await self._script.at("keep", self)
        if not self.alive:
            raise MachineFailed("the machine ended")
        self._owner.disk[name] = dict(self.files)
        return 4096

    async def suspend(self, name: str) -> int:
        """Copy the files to the disk, and end."""
        await self._script.at("suspend", self)
        size = await self.keep(name)
        self.end(Ending(reason="requested", detail="suspended"))
        return size

    async def terminal(self, cols: int, rows: int, shell: str, command: str) -> ScriptedTerminal:
        """A terminal."""
        await self._script.at("terminal", self)
        made = ScriptedTerminal()
        made.size = (cols, rows)
        return made

    async def stop(self) -> None:
        """End."""
        self.end(Ending(reason="requested", detail="stopped"))
        await self._script.at("stop", self)


class ScriptedMachines:
    """Machines of one service; `disk` is handed on to the next one."""

    def __init__(
        self, script: Script | None = None, disk: dict[str, dict[str, bytes]] | None = None
    ) -> None:
        self.script = Script() if script is None else script
        self.disk: dict[str, dict[str, bytes]] = {} if disk is None else disk
        self.running: dict[str, ScriptedMachine] = {}
        self.made: list[ScriptedMachine] = []
        self.warm_count = 0

    async def open(self) -> int:
        """There is nothing to remove."""
        return 0

    async def check(self) -> None:
        """Look."""
        await self.script.at("check")

    async def start(self, wanted: Wanted, spawned: Callable[[str], None]) -> ScriptedMachine:
        """Make one."""
        await self.script.at("spawn")
        if wanted.kept and wanted.kept not in self.disk:
            raise MachineFailed("there is no such state")
        files = dict(self.disk.get(wanted.kept, {}))
        machine = ScriptedMachine(self, wanted, files)
        self.running[machine.id] = machine
        self.made.append(machine)
        spawned(machine.acceleration)
        try:
            await self.script.at("boot", machine)
        except BaseException:
            machine.end(Ending(reason="runtime_failed", detail="it did not boot"))
            raise
        return machine

    async def forget(self, name: str) -> None:
        """Remove it from the disk."""
        await self.script.at("forget")
        self.disk.pop(name, None)

    def keeps(self, name: str) -> bool:
        """True if it is on the disk."""
        return name in self.disk

    async def kept(self) -> tuple[str, ...]:
        """What is on the disk."""
        return tuple(self.disk)

    async def close(self) -> None:
        """End all."""
        for machine in list(self.running.values()):
            machine.end(Ending(reason="service_restart", detail="closed"))
