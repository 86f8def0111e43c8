"""Keeps a machine without swap from coming to a standstill when programs want all of its memory."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from typing import Final

from .reactor import URGENT, Reactor

_PRESSURE: Final = "/proc/pressure/memory"
_STALLS: Final = b"some 400000 1000000\0"
_STANDSTILL: Final = 0.5
_MEMORY_S: Final = 10.0
_KILLS_MAX: Final = 5


class MemoryGuard:
    """Ends the largest program where nothing moves, and all where one end follows the other.

    The kernel would rather read programs from the disk again and again than end one of them; and
    what it ends one by one, a fork bomb starts anew. The agent itself is never ended.
    """

    def __init__(self, reactor: Reactor) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        with suppress(OSError):
            fd = os.open(_PRESSURE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(fd, _STALLS)
            reactor.watch(fd, URGENT, self._pressed)

    def _pressed(self, _: int) -> None:
        """Programs have waited for memory, most of the last second."""
        now, stalled_us, kills = time.monotonic(), _stalled_us(), _kills()
        seen = self._seen
        while seen and seen[0][0] < now - _MEMORY_S:
            seen.popleft()
        if seen and kills - seen[0][2] >= _KILLS_MAX:
            seen.clear()
            # All but the agent and the first process.
            os.kill(-1, signal.SIGKILL)
        elif seen and stalled_us - seen[-1][1] > (now - seen[-1][0]) * 1e6 * _STANDSTILL:
            # The kernel chooses, and nothing where only the agent is left.
            _write("/proc/sysrq-trigger", b"f")
        seen.append((now, stalled_us, kills))


def _stalled_us() -> int:
    """For how long nothing at all could go on, since the start."""
    full = _read(_PRESSURE).rpartition(b"full ")[2]
    return int(full.rpartition(b"total=")[2])


def _kills() -> int:
    """How often the kernel has ended something, since the start."""
    return int(_read("/proc/vmstat").rpartition(b"\noom_kill ")[2].split()[0])


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
