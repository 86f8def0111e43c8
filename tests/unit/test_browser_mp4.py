"""MP4 files, box by box: ISO/IEC 14496-12."""

import struct

import pytest

from sessions.runtimes.browser.mp4 import Sample, movie

CONFIG = b"\x01\x4d\x40\x28avcC of a test"
SAMPLES = [
    Sample(b"first picture", 200, key=True),
    Sample(b"second", 200, key=False),
    Sample(b"third one", 1500, key=True),
]
FOLDERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"})


def boxes(data: bytes, begins: int = 0) -> dict[bytes, tuple[int, bytes]]:
    """Every box by its name: where its body begins, and the body; boxes of boxes too."""
    found: dict[bytes, tuple[int, bytes]] = {}
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at, name
        body = data[at + 8 : at + size]
        assert name not in found
        found[name] = (begins + at + 8, body)
        if name in FOLDERS:
            found |= boxes(body, begins + at + 8)
        at += size
    assert at == len(data)
    return found


def numbers(body: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(body) // 4}I", body)


def test_every_box_ends_where_the_next_begins_and_the_index_comes_first() -> None:
    found = boxes(b"".join(movie(1280, 720, CONFIG, SAMPLES)))
    assert next(iter(found)) == b"ftyp"
    assert found[b"moov"][0] < found[b"mdat"][0]


def test_the_tables_lead_to_every_picture() -> None:
    data = b"".join(movie(1280, 720, CONFIG, SAMPLES))
    found = boxes(data)
    count = numbers(found[b"stsz"][1])
    assert count == (0, 0, 3, 13, 6, 9)
    (begins,) = numbers(found[b"stco"][1])[2:]
    assert begins == found[b"mdat"][0]
    assert data[begins : begins + 28] == b"first picturesecondthird one"
    assert numbers(found[b"stsc"][1]) == (0, 1, 1, 3, 1)


def test_pictures_are_shown_as_long_as_they_are_to_be() -> None:
    found = boxes(b"".join(movie(1280, 720, CONFIG, SAMPLES)))
    assert numbers(found[b"stts"][1]) == (0, 2, 2, 200, 1, 1500)
    assert numbers(found[b"stss"][1]) == (0, 2, 1, 3)
    for name in (b"mvhd", b"mdhd"):
        assert numbers(found[name][1][:20])[3:] == (1000, 1900), name
    assert numbers(found[b"tkhd"][1])[5] == 1900


def test_size_and_decoder_configuration_stand_where_players_look() -> None:
    found = boxes(b"".join(movie(640, 480, CONFIG, SAMPLES)))
    entry = found[b"stsd"][1][8:]
    assert entry[4:8] == b"avc1"
    assert struct.unpack_from(">2H", entry, 32) == (640, 480)
    assert entry.endswith(b"avcC" + CONFIG)
    assert numbers(found[b"tkhd"][1][-8:]) == (640 << 16, 480 << 16)


def test_what_is_no_movie_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        list(movie(640, 480, CONFIG, []))
