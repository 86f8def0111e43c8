"""What machines are to their host: their processes, their memory, and when they rest."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scripts.bench.processes import Server

KERNEL_NAME: Final = "qemu-system-x86"[:15]
REST_S_MAX: Final = 90.0
# A resting machine uses a hundredth of a processor; one that boots, restores or warms up all of it.
REST_SHARE: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def machines_of(server: Server) -> list[int]:
    """The processes of machines that the service runs, in order."""
    return [pid for pid in sorted(_children(server.pid)) if _name(pid) == KERNEL_NAME]


def wait_for_machines(server: Server, count: int) -> list[int]:
    """Return when there are so many, and none of them does anything."""
    until = time.monotonic() + REST_S_MAX
    while time.monotonic() < until:
        found = machines_of(server)
        before = _cpu_s(found)
        time.sleep(1.0)
        at_rest = _cpu_s(found) - before <= REST_SHARE * max(1, count)
        if len(found) == count and machines_of(server) == found and at_rest:
            return found
    raise RuntimeError(f"there are not {count} machines at rest: {len(machines_of(server))}")


def proportional_mib(pids: Iterable[int]) -> tuple[float, float]:
    """What these processes take in memory, shared pages divided by their users; and alone."""
    proportional = private = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        sizes = {name: int(kib) for name, kib in re.findall(r"(\w+):\s+(\d+) kB", text)}
        proportional += sizes["Pss"]
        private += sizes["Private_Clean"] + sizes["Private_Dirty"]
    return proportional / 1024, private / 1024


def family(server: Server) -> list[int]:
    """The service, its processes, and theirs."""
    found = [server.pid]
    for pid in found:
        found += _children(pid)
    return found


def available_mib() -> float:
    """What the kernel says could be had without swapping."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    assert found is not None
    return int(found[1]) / 1024


def _children(parent: int) -> Iterator[int]:
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and int(_stat(int(process.name))[1]) == parent:
                yield int(process.name)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
    return ""


def _cpu_s(pids: Iterable[int]) -> float:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(pid)
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def _stat(pid: int) -> list[str]:
    """What follows the name of the process in its line."""
    return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
