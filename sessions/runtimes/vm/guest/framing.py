"""Frames between host and guest: two lengths (u32), a JSON header, a payload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

HEADER_MAX: Final = 64 * 1024
PAYLOAD_MAX: Final = 4 * 1024 * 1024

Header = dict[str, Any]


class FramingLost(Exception):
    """What was read cannot be the start of a frame, so nothing after it can be understood."""


def frame(header: Header, payload: bytes = b"") -> bytes:
    """The bytes of one frame."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((len(head).to_bytes(4), len(payload).to_bytes(4), head, payload))


class Deframer:
    """Puts frames together again, however the bytes of them were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield header and payload of each frame that is whole now; raises FramingLost."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 8:
            head = int.from_bytes(buffer[:4])
            body = int.from_bytes(buffer[4:8])
            if head > HEADER_MAX or body > PAYLOAD_MAX:
                raise FramingLost(f"a frame of {head} and {body} bytes")
            if len(buffer) < 8 + head + body:
                return
            header = bytes(buffer[8 : 8 + head])
            payload = bytes(buffer[8 + head : 8 + head + body])
            del buffer[: 8 + head + body]
            yield header, payload

    def clear(self) -> None:
        """Forget what was begun."""
        self._buffer.clear()
