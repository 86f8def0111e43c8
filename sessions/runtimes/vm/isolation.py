"""What each machine's process is shut into: its own user, namespaces, limits and groups."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sessions.runtimes.process import NICE
from sessions.runtimes.vm.argv import address_space
from sessions.runtimes.vm.control_groups import ControlGroups, find_control_groups
from sessions.runtimes.vm.programs import path_of

MACHINES_MAX: Final = 256
"""How many machines of one service can have a user of their own at a time."""

_USER_FIRST: Final = 200_000
_FILES_MAX: Final = 256
_NICE_IN_THE_BACKGROUND: Final = 19
_PROBE_S: Final = 10.0

_UNLESS_ORPHANED: Final = 'test "$PPID" = "$0" && exec "$@"'

# What a whole machine with all its memory and its disk can write into one file.
_FILE_BYTES_MAX: Final = 12 << 30


class Cell:
    """The place of one machine: give it back when the process is gone."""

    def __init__(self, isolation: Isolation, slot: int) -> None:
        self._isolation = isolation
        self.slot = slot

    def prefix(self, vcpu_count: int) -> list[str]:
        """The command that runs the one after it in this cell; it keeps its process id."""
        return self._isolation.prefix(self.slot, vcpu_count)

    def confine(self, pid: int, vcpu_count: int, *, background: bool) -> None:
        """Put the process into groups of its own, where there are any; never raises. Blocks."""
        self._isolation.groups.enter(self.slot, pid, vcpu_count)
        self.hurry(pid, background=background)

    def hurry(self, pid: int, *, background: bool) -> None:
        """Let the process wait for all others, or no longer; never raises. Blocks."""
        self._isolation.groups.weigh(self.slot, background=background)
        _renice(pid, _NICE_IN_THE_BACKGROUND if background else NICE)

    def give_back(self) -> None:
        """The cell is free for another machine; nothing was ever in it."""
        self._isolation.free(self.slot)

    async def leave(self) -> None:
        """The cell is free for another machine; the process must be gone. Never raises."""
        await self._isolation.groups.leave(self.slot)
        self._isolation.free(self.slot)


class Isolation:
    """Cells for machines; `in_force` says in words what each of them is made of."""

    def __init__(self, tag: str, steps: Sequence[str], groups: ControlGroups) -> None:
        self._steps = frozenset(steps)
        self._free = list(range(MACHINES_MAX - 1, -1, -1))
        # Services beside each other on one host should not share users either.
        self._user_first = _USER_FIRST + MACHINES_MAX * (zlib.crc32(tag.encode()) % 4096)
        self.groups = groups

    @property
    def in_force(self) -> list[str]:
        """What shuts a machine in on this host."""
        words = {
            "user": "a user of its own",
            "namespaces": "network, IPC and mount namespaces of its own",
            "setpriv": "no new privileges, dies with the service",
            "prlimit": "limits of files, address space and cores",
        }
        return [
            "QEMU's sandbox with all denials",
            *(text for step, text in words.items() if step in self._steps),
            *self.groups.in_force,
        ]

    def cell(self) -> Cell | None:
        """A free cell; None where all are taken."""
        return Cell(self, self._free.pop()) if self._free else None

    def free(self, slot: int) -> None:
        """Take a cell back."""
        self._free.append(slot)

    def prefix(self, slot: int, vcpu_count: int) -> list[str]:
        """The command before QEMU's for the machine in that slot."""
        return _prefix(self._steps, self._user_first + slot, address_space(vcpu_count))


async def find_isolation(tag: str) -> Isolation:
    """The strongest isolation that works here, found by trying; `tag` tells services apart."""
    root = os.geteuid() == 0
    wanted = ["prlimit", "setpriv", *(["namespaces", "user"] if root else [])]
    for left_out in ((), ("namespaces",), ("namespaces", "user"), ("prlimit",), tuple(wanted)):
        steps = [step for step in wanted if step not in left_out]
        if await asyncio.to_thread(_works, steps):
            break
    else:
        steps = []
    groups = await asyncio.to_thread(find_control_groups, tag)
    return Isolation(tag, steps, groups)


def _prefix(steps: frozenset[str], user: int, address_space_bytes: int) -> list[str]:
    command: list[str] = []
    if "prlimit" in steps:
        limits = {"core": 0, "nofile": _FILES_MAX, "fsize": _FILE_BYTES_MAX}
        limits["as"] = address_space_bytes
        command += [_path("prlimit"), *(f"--{name}={limit}" for name, limit in limits.items())]
        command += ["--", _path("nice"), "-n", str(NICE)]
    if "namespaces" in steps:
        command += [_path("unshare"), "--net", "--ipc", "--mount", "--"]
    if "setpriv" in steps:
        command += [_path("setpriv"), "--no-new-privs", "--pdeathsig", "KILL"]
        if "user" in steps:
            command += [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all"]
        command.append("--")
        # A service that died before the signal was asked for sends none: nobody starts for it.
        command += [_path("sh"), "-c", _UNLESS_ORPHANED, str(os.getpid())]
    return command


def _path(program: str) -> str:
    return path_of(program) or program


def _works(steps: Sequence[str]) -> bool:
    command = [*_prefix(frozenset(steps), _USER_FIRST, 1 << 34), _path("true")]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        quiet = subprocess.DEVNULL
        done = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_PROBE_S, check=False, cwd="/"
        )
        return done.returncode == 0
    return False


def _renice(pid: int, niceness: int) -> None:
    # Linux gives each thread a niceness of its own. Only root may lower it again, so nobody else
    # raises it.
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
