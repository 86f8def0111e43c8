"""The agent of a machine as a process of the host: everything but the machine around it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sessions.runtimes.vm.channel import Channel
from sessions.runtimes.vm.guest_programs import AGENT
from sessions.runtimes.vm.port import Language, Outcome, Program

# They only keep a test from hanging: a busy machine may be ten times slower than a quick one.
EXIT_S_MAX: Final = 60.0
RUN_S_MAX: Final = 120.0
MIB: Final = 1 << 20


class Guest:
    """A running agent and the channel to it."""

    def __init__(self, channel: Channel, process: subprocess.Popen[bytes], home: Path) -> None:
        self.channel = channel
        self.process = process
        self.home = home

    def clear(self) -> None:
        """Empty its home."""
        for path in self.home.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    async def bash(self, code: str, timeout_s: float = RUN_S_MAX, most: int = MIB) -> Outcome:
        """Run it in bash."""
        return await self._run(code, "bash", timeout_s, most)

    async def python(self, code: str, timeout_s: float = RUN_S_MAX, most: int = MIB) -> Outcome:
        """Run it in the python of the machine."""
        return await self._run(code, "python", timeout_s, most)

    async def _run(self, code: str, language: Language, timeout_s: float, most: int) -> Outcome:
        return await self.channel.run(
            Program(code=code, language=language, timeout_s=timeout_s), most
        )

    @property
    def descriptors(self) -> int:
        """How many files the agent has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def children(self) -> list[int]:
        """Processes of the agent, dead or alive."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    @property
    def memory_peak(self) -> int:
        """Bytes that the agent had in memory at most."""
        return memory_peak(self.process.pid)


@contextlib.asynccontextmanager
async def running(
    home: Path, uid: int | None = None, wrapper: Sequence[str] = ()
) -> AsyncIterator[Guest]:
    """An agent that works in `home`, for `uid` where it is given; it ends with the channel."""
    ours, theirs = socket.socketpair()
    options = [f"fd={theirs.fileno()}", f"home={home}", *([f"uid={uid}"] if uid else [])]
    with theirs:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-E", "-s", "-S", str(AGENT), *options],
            pass_fds=[theirs.fileno()],
        )
    channel = Channel(*await asyncio.open_unix_connection(sock=ours))
    try:
        yield Guest(channel, process, home)
    finally:
        await channel.close()
        try:
            await asyncio.to_thread(process.wait, EXIT_S_MAX)
        finally:
            process.kill()
            process.wait()


def alive(pid: int) -> bool:
    """True while there is a process of that id that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


async def gone(pid: int) -> None:
    """Wait until it has ended."""
    await until(lambda: not alive(pid))


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(EXIT_S_MAX):
        while not holds():  # noqa: ASYNC110 - what other processes do sets no event
            await asyncio.sleep(0.005)


async def written(path: Path) -> str:
    """What a program has written to a file, once there is something."""
    await until(lambda: path.exists() and bool(path.read_text()))
    return path.read_text()


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    """The bytes in pieces of that size."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def memory_peak(pid: int) -> int:
    """Bytes that a process had in memory at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@contextlib.contextmanager
def open_to_all() -> Iterator[Path]:
    """A folder in which anybody may work, in one that is ours; those of pytest let nobody in."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        folder = Path(name, "home")
        folder.mkdir()
        folder.chmod(0o777)
        yield folder


def is_root() -> bool:
    """True where this test may become somebody else."""
    return os.geteuid() == 0
