"""Frames between host and guest: two lengths (u32), a JSON header, a payload; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from sessions.runtimes.vm.guest.framing import HEADER_MAX, PAYLOAD_MAX, Deframer, FramingLost

Field = int | str | bool | None


class FrameError(ValueError):
    """What came cannot be a frame of an agent; nothing after it can be understood."""


class Said(msgspec.Struct, frozen=True):
    """The header of what an agent says: an answer to the request `id`, or an event `ev` of it."""

    id: int = 0
    ev: str = ""
    error: str = ""
    exit_code: int | None = None
    timed_out: bool = False
    cpu_ms: int = 0
    duration_ms: int = 0
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    size: int = 0
    mounted: bool = False
    total: int = 0
    available: int = 0


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Said)


def encode(header: dict[str, Field], payload: bytes = b"") -> bytes:
    """The bytes of a frame; raises FrameError where it is too large to be sent."""
    head = _ENCODER.encode(header)
    if len(head) > HEADER_MAX or len(payload) > PAYLOAD_MAX:
        raise FrameError(f"a frame of {len(head)} and {len(payload)} bytes")
    return b"".join((len(head).to_bytes(4), len(payload).to_bytes(4), head, payload))


class Decoder:
    """Puts frames together again, however the bytes of them were cut."""

    def __init__(self) -> None:
        self._frames = Deframer()

    def feed(self, data: bytes) -> Iterator[tuple[Said, bytes]]:
        """Yield each frame that is whole now; raises FrameError at what is none."""
        try:
            for head, payload in self._frames.feed(data):
                yield _DECODER.decode(head), payload
        except FramingLost as lost:
            raise FrameError(str(lost)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FrameError(f"a header that is none: {error}") from None
