"""Parts of files: RFC 9110 section 14."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from sessions.dialects.byte_ranges import Part, cut, part_of

SIZE = 1000


def asked(method: str = "GET", **headers: str) -> Part | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return part_of(make_mocked_request(method, "/", headers=named), SIZE)


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=900-", 900, 1000),
        ("bytes=900-5000", 900, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=999-999", 999, 1000),
    ],
)
def test_one_part(wanted: str, start: int, stop: int) -> None:
    part = asked(Range=wanted)
    assert part is not None
    assert part == (start, stop, SIZE)
    assert part.status == 206
    assert part.content_range == f"bytes {start}-{stop - 1}/1000"


def test_a_part_that_is_not_there() -> None:
    part = asked(Range="bytes=1000-")
    assert part is not None
    assert part.start == part.stop
    assert (part.status, part.content_range) == (416, "bytes */1000")


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "bytes=a-b", "items=0-1", "bytes=5-2", ""])
def test_what_is_not_clear_is_ignored(wanted: str) -> None:
    assert asked(Range=wanted) is None


def test_all_where_nobody_asks_for_a_part() -> None:
    assert asked() is None
    assert asked(Range="bytes=0-9", If_Range='"of-old"') is None
    assert asked("HEAD", Range="bytes=0-9") is None


@given(
    st.lists(st.binary(max_size=7), max_size=12),
    st.integers(0, 60),
    st.integers(0, 60),
)
async def test_a_part_is_what_a_slice_is(pieces: list[bytes], start: int, length: int) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    found = [piece async for piece in cut(parts(), start, start + length)]
    assert b"".join(found) == b"".join(pieces)[start : start + length]
    assert all(found)
