"""What a service that was killed left on the host: processes with its tag, found and ended."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import zlib
from pathlib import Path
from typing import Final

from sessions.runtimes.vm.argv import QEMU

_PROC: Final = Path("/proc")
_GONE_S: Final = 5.0


def tag_of(folder: Path) -> str:
    """What tells the machines of this data folder from those of others, in a process's name."""
    return f"{zlib.crc32(os.fsencode(folder.resolve())):08x}"


def machine_name(tag: str, machine: str) -> str:
    """The name that QEMU is given."""
    return f"sessiond-{tag}-{machine}"


def orphans(tag: str) -> list[int]:
    """The ids of processes that run machines of this data folder. Blocks."""
    prefix = machine_name(tag, "")
    places = [place for place in _PROC.iterdir() if place.name.isdigit()]
    return sorted(int(place.name) for place in places if _runs(place, prefix))


def end_orphans(tag: str) -> int:
    """End them, when no machine of ours runs yet; how many there were. Blocks."""
    ended = 0
    for pid in orphans(tag):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            process = os.pidfd_open(pid)
            try:
                # The id may be another process's by now; the descriptor cannot change its mind.
                if _runs(_PROC / str(pid), machine_name(tag, "")):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    select.select([process], [], [], _GONE_S)
                    ended += 1
            finally:
                os.close(process)
    return ended


def empty(folder: Path) -> None:
    """The folder exists, private and empty. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _runs(place: Path, prefix: str) -> bool:
    try:
        words = (place / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # Before it becomes QEMU it is one of the programs that shut it in, with the same arguments.
    names = {word.rpartition(b"/")[2] for word in words}
    if QEMU.encode() not in names or b"-name" not in words:
        return False
    return words[words.index(b"-name") + 1].startswith(prefix.encode())
