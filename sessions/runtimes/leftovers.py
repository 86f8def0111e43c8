"""What a service that was killed left on the host: processes, found by their command lines."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_GONE_S: Final = 5.0
_LOOKS_MAX: Final = 10

Recognised = Callable[[Sequence[bytes]], bool]


def tag_of(folder: Path) -> str:
    """What tells the processes of this data folder from those of others."""
    return f"{zlib.crc32(os.fsencode(folder.resolve())):08x}"


def processes(recognised: Recognised) -> list[int]:
    """The ids of all processes whose words of command are recognised. Blocks."""
    places = [place for place in _PROC.iterdir() if place.name.isdigit()]
    return sorted(int(place.name) for place in places if _is(place, recognised))


def end_processes(recognised: Recognised) -> int:
    """End them all, also those that others of them still start; how many there were. Blocks."""
    total = 0
    for _ in range(_LOOKS_MAX):
        ended = _end(processes(recognised), recognised)
        total += ended
        if not ended:
            break
    return total


def _end(pids: Sequence[int], recognised: Recognised) -> int:
    ended = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            process = os.pidfd_open(pid)
            try:
                # The id may be another process's by now; the descriptor cannot change its mind.
                if _is(_PROC / str(pid), recognised):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    select.select([process], [], [], _GONE_S)
                    ended += 1
            finally:
                os.close(process)
    return ended


def began_at(pid: int) -> int:
    """When the process began, in ticks since the boot: numbers are used again. 0 if it is gone."""
    fields = stat_of(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def stat_of(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; nothing if it is gone."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


def empty(folder: Path) -> None:
    """The folder exists, private and empty. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _is(place: Path, recognised: Recognised) -> bool:
    try:
        words = (place / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return recognised(words)
