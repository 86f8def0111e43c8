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


# The two highest bits of the digit are 10 (RFC 9562 section 4.1), the others remain chance.
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_process: Final = os.urandom(8).hex()
_requests: Final = itertools.count(1)


def request_id() -> str:
    """Names a request of this process; no two are alike, also not after a restart."""
    return f"{_process}{next(_requests):016x}"


def uuid7() -> str:
    """A UUID of version 7 (RFC 9562 section 5.7)."""
    at, chance = f"{time.time_ns() // 1_000_000:012x}", _random.take(10).hex()
    variant = _VARIANTS[chance[3]]
    return f"{at[:8]}-{at[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def uuid1() -> str:
    """A UUID of version 1, which WAVE's clients expect of a token (wave.md section 2.1)."""
    # A random node with the multicast bit, as RFC 9562 section 6.10 says: no MAC address leaks.
    node = int.from_bytes(os.urandom(6), "big") | 1 << 40
    return str(uuid.uuid1(node))
