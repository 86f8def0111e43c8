"""The pictures of a visit on disk: bounded, in order, and read again after a crash."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.browser_reel import FREE_BYTES_MIN, Reel
from sessions.runtimes.browser.port import Frame

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def frame(at_us: int, size: int = 10) -> Frame:
    return Frame(at_us=at_us, jpeg=at_us.to_bytes(8, "big").ljust(size, b"."))


def test_each_picture_is_shown_until_the_next_and_the_last_to_the_end(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "reel")
    for at in (0, 2, 3):
        reel.add(frame(START + at * SECOND))
    shown = reel.pictures(START + 10 * SECOND)
    assert [picture.shown_ms for picture in shown] == [2000, 1000, 7000]
    assert [picture.path.read_bytes()[:8] for picture in shown] == [
        frame(START + at * SECOND).jpeg[:8] for at in (0, 2, 3)
    ]
    assert [picture.shown_ms for picture in reel.pictures()] == [2000, 1000, 1000]


def test_what_was_left_is_found_again(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "reel")
    reel.add(frame(START))
    reel.add(frame(START + SECOND))
    (reel.folder / "film.mp4").write_bytes(b"half a film")
    again = Reel(tmp_path / "reel")
    assert again.pictures() == reel.pictures()
    assert again.size == reel.size == 20
    again.remove()
    assert not (tmp_path / "reel").exists()
    assert Reel(tmp_path / "reel").pictures() == []


def test_a_clock_that_stands_still_or_goes_back_loses_no_picture(tmp_path: Path) -> None:
    reel = Reel(tmp_path)
    for at in (START, START, START - SECOND):
        reel.add(frame(at))
    assert len(reel.pictures()) == 3


@settings(max_examples=30, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=120),
    sizes=st.lists(st.integers(1, 400), min_size=120, max_size=120),
)
def test_a_reel_is_bounded_and_covers_the_whole_visit(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], sizes: list[int]
) -> None:
    reel = Reel(tmp_path_factory.mktemp("reel"), pictures_max=16, bytes_max=4000)
    at, last = START, b""
    for gap, size in zip(gaps, sizes, strict=False):
        at += gap
        last = frame(at, size).jpeg
        reel.add(frame(at, size))
        assert len(reel) <= 16
        assert reel.size <= 4000 or len(reel) == 1
        on_disk = sorted(reel.folder.iterdir())
        assert [picture.path for picture in reel.pictures()] == on_disk
        assert sum(path.stat().st_size for path in on_disk) == reel.size
        assert on_disk[-1].read_bytes() == last


def test_a_long_visit_keeps_pictures_of_all_its_time(tmp_path: Path) -> None:
    reel = Reel(tmp_path, pictures_max=100)
    for number in range(2000):
        reel.add(frame(START + number * SECOND // 5))
    starts = [int(picture.path.stem) - START for picture in reel.pictures()]
    assert 25 <= len(starts) <= 100
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    # 400 seconds: nowhere is more than a tenth of them missing.
    assert max(gaps) < 40 * SECOND
    assert starts[-1] == 1999 * SECOND // 5


def test_a_nearly_full_disk_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reel = Reel(tmp_path)
    reel.add(frame(START))
    usage = shutil.disk_usage(tmp_path)._replace(free=FREE_BYTES_MIN - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="of the disk are free"):
        reel.add(frame(START + SECOND))
    assert len(reel.pictures()) == len(list(tmp_path.iterdir())) == 1
