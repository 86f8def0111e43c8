"""New ids; all of them sort by time, which keeps the indexes of the log growing at one end."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from typing import Final


class _Random:
    """Random bytes from the system, fetched a page at a time: one system call in 256 ids."""

    def __init__(self) -> None:
        self._page = b""
        self._next = 0

    def take(self, size: int) -> bytes:
        if self._next + size > len(self._page):
            self._page = os.urandom(4096)
            self._next = 0
        start, self._next = self._next, self._next + size
        return self._page[start : self._next]


_random: Final = _Random()


def commit_id() -> bytes:
    """16 bytes that begin with the time: 8 bytes of nanoseconds, 8 random bytes."""
    return time.time_ns().to_bytes(8, "big") + _random.take(8)


_process: Final = os.urandom(8).hex()
_requests: Final = itertools.count(1)


def request_id() -> str:
    """Names a request of this process; no two are alike, also not after a restart."""
    return f"{_process}{next(_requests):016x}"


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562 section 5.7)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(_random.take(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid1() -> str:
    """A UUID of version 1, which WAVE's clients expect of a token (wave.md section 2.1)."""
    # A random node with the multicast bit, as RFC 9562 section 6.10 says: no MAC address leaks.
    node = int.from_bytes(os.urandom(6), "big") | 1 << 40
    return str(uuid.uuid1(node))
