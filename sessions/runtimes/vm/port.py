"""What the service asks of machines; `Qemu` in runtime.py answers, and who asks knows no QEMU."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

import msgspec

from projections.events.status import Reason

Language = Literal["python", "bash"]


class MachineError(Exception):
    """Something about a machine went wrong; the text is one clear sentence for a caller."""


class RuntimeUnavailable(MachineError):
    """No machine can be made here: what is missing, and what to install."""


class MachineFailed(MachineError):
    """The machine could not be started, or is gone."""


class KeptLost(MachineFailed):
    """What was kept of a machine is gone or damaged: none will ever go on from it."""


class GuestRefused(MachineError):
    """The machine lives and refuses what was asked: no such file, no space, no such process."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that is wanted; `kept` names a kept state that it goes on from."""

    id: str
    vcpu_count: int
    memory_mb: int
    env: dict[str, str] = {}
    kept: str = ""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Code to run as the user of the machine; python keeps its variables from one to the next."""

    code: str
    language: Language
    timeout_s: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended; `exit_code` is None where it was cut off.

    `stdout` and `stderr` hold at most what was asked for; the counts tell how much there was.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    stdout_bytes: int
    stderr_bytes: int
    timed_out: bool
    duration_ms: int
    cpu_ms: int


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why a machine is no more."""

    reason: Reason
    detail: str
    exit_code: int | None = None


class Terminal(Protocol):
    """A pseudo-terminal in a machine."""

    exit_code: int | None
    """None while it lives."""

    def output(self) -> AsyncIterator[bytes]:
        """What the terminal shows, until it ends; one reader at a time, bounded memory."""

    async def write(self, data: bytes) -> None:
        """Keystrokes."""

    async def resize(self, cols: int, rows: int) -> None:
        """The window has this size now."""

    async def kill(self) -> None:
        """End what runs in it."""


class Machine(Protocol):
    """A machine that answers, until `ended` says otherwise."""

    id: str
    acceleration: str
    boot_ms: int
    memory_mb: int

    async def ended(self) -> Ending:
        """Wait for the end of the machine, however it comes."""

    async def execute(self, program: Program, output_bytes_max: int) -> Outcome:
        """Run a program to its end; raises MachineFailed where the machine ends before."""

    async def put(self, path: str, data: AsyncIterator[bytes]) -> int:
        """Write a file, its folders made where missing; its size. Raises GuestRefused."""

    def get(self, path: str, bytes_max: int) -> AsyncIterator[bytes]:
        """The bytes of a file; raises GuestRefused, also for one that is larger."""

    async def setenv(self, env: dict[str, str]) -> None:
        """What later programs find in their environment besides what is there."""

    async def resize(self, memory_mb: int) -> int:
        """Grow the memory; how much there is now. It never shrinks."""

    async def keep(self, name: str) -> int:
        """Keep a copy of the whole machine under `name` while it goes on; its size in bytes."""

    async def suspend(self, name: str) -> int:
        """Keep the machine under `name` and end its process; its size in bytes."""

    async def terminal(self, cols: int, rows: int, shell: str, command: str) -> Terminal:
        """A new terminal that runs `shell`, or `command` in a login shell where it is given."""

    async def stop(self) -> None:
        """End the machine and everything of it; returns when nothing is left."""


class Machines(Protocol):
    """All machines of one service."""

    @property
    def warm_count(self) -> int:
        """How many machines wait, warm."""

    async def open(self) -> int:
        """End and remove what an earlier service of this folder left; how many machines it had."""

    async def check(self) -> None:
        """Return where machines can be made, as far as a look tells; raises RuntimeUnavailable.

        Cheap after the first time: it is asked before every machine.
        """

    async def start(self, wanted: Wanted, spawned: Callable[[str], None]) -> Machine:
        """A machine that answers; `spawned` is told the acceleration when its process runs.

        Raises RuntimeUnavailable or MachineFailed, and leaves nothing behind then.
        """

    async def forget(self, name: str) -> None:
        """Remove a kept state; nothing where there is none."""

    def keeps(self, name: str) -> bool:
        """True if there is a kept state of that name."""

    async def kept(self) -> tuple[str, ...]:
        """The names of all kept states."""

    async def close(self) -> None:
        """End every machine, quickly."""
