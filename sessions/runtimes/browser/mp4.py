"""An MP4 file of one H.264 track, as ISO/IEC 14496-12 and 14496-15 lay it out."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

_PER_S: Final = 1000
_UNITY: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED: Final = 0x55C4
"""The language code `und`."""
_OFFSET_MAX: Final = 2**32 - 1


class Sample(msgspec.Struct, frozen=True, gc=False):
    """An encoded picture; one that is `key` needs no other to be shown."""

    data: bytes
    shown_ms: int
    key: bool


def movie(width: int, height: int, config: bytes, samples: Sequence[Sample]) -> Iterator[bytes]:
    """The pieces of the file, its index first; `config` is the decoder configuration (avcC).

    Raises ValueError for no samples, or for more than 4 GiB of them.
    """
    if not samples:
        raise ValueError("a movie has at least one picture")
    head = _box(b"ftyp", b"isom", _u32(0x200), b"isomiso2avc1mp41")
    size = sum(len(sample.data) for sample in samples)
    # Where the pictures begin depends on the length of the index alone.
    index_size = len(_index(width, height, config, samples, 0))
    begins = len(head) + index_size + 8
    if begins + size > _OFFSET_MAX:
        raise ValueError("a movie has at most 4 GiB")
    yield head
    yield _index(width, height, config, samples, begins)
    yield _u32(size + 8) + b"mdat"
    for sample in samples:
        yield sample.data


def _index(width: int, height: int, config: bytes, samples: Sequence[Sample], begins: int) -> bytes:
    duration = sum(sample.shown_ms for sample in samples)
    times = struct.pack(">4I", 0, 0, _PER_S, duration)
    header = _full(
        b"mvhd", times, _u32(0x10000), _u16(0x100), bytes(10), _UNITY, bytes(24), _u32(2)
    )
    track = _full(
        b"tkhd",
        struct.pack(">5I", 0, 0, 1, 0, duration),
        bytes(16),
        _UNITY,
        _u32(width << 16),
        _u32(height << 16),
        flags=0x3,  # enabled, and part of the movie
    )
    media = _box(
        b"mdia",
        _full(b"mdhd", times, _u16(_UNDETERMINED), _u16(0)),
        _full(b"hdlr", _u32(0), b"vide", bytes(12), b"pictures\0"),
        _box(
            b"minf",
            _full(b"vmhd", bytes(8), flags=0x1),
            _box(b"dinf", _full(b"dref", _u32(1), _full(b"url ", flags=0x1))),
            _tables(width, height, config, samples, begins),
        ),
    )
    return _box(b"moov", header, _box(b"trak", track, media))


def _tables(
    width: int, height: int, config: bytes, samples: Sequence[Sample], begins: int
) -> bytes:
    entry = _box(
        b"avc1",
        bytes(6),
        _u16(1),
        bytes(16),
        _u16(width),
        _u16(height),
        _u32(0x480000),  # 72 dots an inch, as everybody writes
        _u32(0x480000),
        _u32(0),
        _u16(1),
        bytes(32),
        _u16(0x18),
        _u16(0xFFFF),
        _box(b"avcC", config),
    )
    runs = [
        (len(list(same)), shown_ms)
        for shown_ms, same in itertools.groupby(samples, lambda sample: sample.shown_ms)
    ]
    keys = [number for number, sample in enumerate(samples, 1) if sample.key]
    return _box(
        b"stbl",
        _full(b"stsd", _u32(1), entry),
        _full(b"stts", _u32(len(runs)), *(struct.pack(">2I", *run) for run in runs)),
        _full(b"stss", _u32(len(keys)), _u32s(keys)),
        _full(b"stsc", struct.pack(">4I", 1, 1, len(samples), 1)),  # all in one chunk
        _full(b"stsz", _u32(0), _u32(len(samples)), _u32s(len(one.data) for one in samples)),
        _full(b"stco", _u32(1), _u32(begins)),
    )


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _u32(len(body) + 8) + name + body


def _full(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(name, _u32(flags), *parts)


def _u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _u32s(numbers: Iterable[int]) -> bytes:
    return b"".join(map(_u32, numbers))
