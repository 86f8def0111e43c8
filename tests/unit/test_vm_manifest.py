"""What names an image, and what shows that one of its files is not what it was."""

import os
from typing import Any

import msgspec
import pytest

from sessions.runtimes.vm.manifest import (
    FILES,
    File,
    Manifest,
    builder_version,
    describe_file,
    guest_digests,
)
from sessions.runtimes.vm.packages import Package

SIZE = 64 << 20


def manifest(**changes):
    given = {
        "builder": builder_version(),
        "guest": guest_digests(),
        "packages": [Package("bash", "1", "aa" * 32), Package("libc6", "2", "bb" * 32)],
        "kernel": "6.1.0-1-cloud-amd64",
        "files": {name: File(1, "cc" * 32) for name in FILES},
    }
    return Manifest(**{**given, **changes})


CHANGES: dict[str, dict[str, Any]] = {
    "builder": {"builder": "other"},
    "guest": {"guest": {**guest_digests(), "init.sh": "00" * 32}},
    "version": {"packages": [Package("bash", "1.1", "aa" * 32), Package("libc6", "2", "bb" * 32)]},
    "digest": {"packages": [Package("bash", "1", "ab" * 32), Package("libc6", "2", "bb" * 32)]},
    "kernel": {"kernel": "6.2"},
    "file": {"files": {name: File(1, "cd" * 32) for name in FILES}},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_whatever_differs_gives_another_key(changes):
    assert manifest(**changes).key != manifest().key


def test_the_key_is_the_same_after_a_round_trip():
    encoded = msgspec.json.format(msgspec.json.encode(manifest()))
    assert msgspec.json.decode(encoded, type=Manifest).key == manifest().key


def test_an_image_of_other_guest_files_is_not_ours():
    assert manifest().is_ours
    assert not manifest(**CHANGES["guest"]).is_ours
    assert not manifest(**CHANGES["builder"]).is_ours


@pytest.fixture
def sparse(tmp_path):
    """A file with a word at its start, one in the middle, and holes."""
    path = tmp_path / "scratch.ext4"
    with path.open("wb") as file:
        file.write(b"start")
        file.seek(SIZE // 2 + 77)
        file.write(b"middle")
        file.truncate(SIZE)
    return path


def test_zeros_and_holes_are_the_same_content(sparse):
    seen = describe_file(sparse)
    with sparse.open("r+b") as file:
        file.seek(SIZE // 4)
        file.write(bytes(1 << 20))
    assert describe_file(sparse) == seen


@pytest.mark.parametrize("place", [0, SIZE // 4, SIZE // 2 + 80, SIZE - 1])
def test_one_changed_byte_of_a_file_with_holes_is_seen(sparse, place):
    seen = describe_file(sparse)
    with sparse.open("r+b") as file:
        file.seek(place)
        file.write(b"!")
    assert describe_file(sparse) != seen


def test_a_file_that_was_cut_off_is_seen(sparse):
    seen = describe_file(sparse)
    os.truncate(sparse, SIZE - 1)
    assert describe_file(sparse) != seen


def test_content_that_has_moved_is_seen(sparse):
    seen = describe_file(sparse)
    with sparse.open("r+b") as file:
        file.seek(SIZE // 2 + 77)
        file.write(bytes(6))
        file.seek(SIZE // 2 + (1 << 20) + 77)
        file.write(b"middle")
    assert describe_file(sparse) != seen
