"""A part of a file, as players ask for it (RFC 9110 section 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from aiohttp import web


class Part(NamedTuple):
    """The bytes from `start` to before `stop` of `size`; empty where there are none."""

    start: int
    stop: int
    size: int

    @property
    def status(self) -> int:
        """Of an answer that has no more than this part."""
        return 206 if self.stop > self.start else 416

    @property
    def content_range(self) -> str:
        """The header that tells which part it is."""
        there = f"{self.start}-{self.stop - 1}" if self.stop > self.start else "*"
        return f"bytes {there}/{self.size}"


def part_of(request: web.Request, size: int) -> Part | None:
    """The one part that is asked for; None for all, also where what is asked for is not clear."""
    # Without a validator of ours nothing tells whether the rest of what they have is the same.
    if request.method != "GET" or "If-Range" in request.headers:
        return None
    if "Range" not in request.headers:
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    start, stop, _ = asked.indices(size)
    return Part(start, max(start, stop), size)


async def cut(parts: AsyncIterator[bytes], start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to before `stop`."""
    at = 0
    async for part in parts:
        piece = part[max(0, start - at) : max(0, stop - at)]
        at += len(part)
        if piece:
            yield piece
        if at >= stop:
            return
