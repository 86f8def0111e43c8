"""Sparse copies are equal, know damage, and those in memory cannot be altered."""

import mmap
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.runtimes.vm.memory_files import (
    copy_sparse,
    digest_of,
    memory_file,
    opened,
    reopen,
    seal,
    stored_bytes,
    unnamed_file,
)

BLOCK = 64 << 10
PARTS = st.lists(
    st.tuples(st.integers(0, 40 * 4096), st.binary(min_size=1, max_size=300)), max_size=6
)


def file_of(parts, size=0):
    fd = memory_file("test", size)
    for at, data in parts:
        os.pwrite(fd, data, at)
    return fd


def whole(fd):
    return os.pread(fd, os.fstat(fd).st_size, 0)


@settings(max_examples=25)
@given(PARTS, st.integers(0, 50 * 4096))
def test_a_copy_is_equal_and_so_is_its_digest(parts, size):
    source, target = file_of(parts, size), memory_file("copy")
    try:
        digest = copy_sparse(source, target)
        assert whole(target) == whole(source)
        assert digest == digest_of(source) == digest_of(target)
        dense = file_of([(0, whole(source) or b"")])
        try:
            assert digest_of(dense) == digest
        finally:
            os.close(dense)
    finally:
        os.close(source)
        os.close(target)


@settings(max_examples=25)
@given(PARTS, st.integers(1, 50 * 4096), st.data())
def test_one_bit_or_one_byte_less_is_seen(parts, size, data):
    fd = file_of(parts, size)
    try:
        digest = digest_of(fd)
        size = os.fstat(fd).st_size
        at = data.draw(st.integers(0, size - 1))
        (byte,) = os.pread(fd, 1, at)
        os.pwrite(fd, bytes([byte ^ (1 << data.draw(st.integers(0, 7)))]), at)
        assert digest_of(fd) != digest
        os.pwrite(fd, bytes([byte]), at)
        assert digest_of(fd) == digest
        os.ftruncate(fd, size - 1)
        assert digest_of(fd) != digest
    finally:
        os.close(fd)


def test_holes_stay_holes_on_disk(tmp_path):
    with (tmp_path / "source").open("wb+") as source, unnamed_file(tmp_path) as target:
        source.truncate(1 << 30)
        source.seek(1 << 29)
        source.write(b"x" * 100)
        source.flush()
        copy_sparse(source.fileno(), target.fileno())
        assert os.fstat(target.fileno()).st_size == 1 << 30
        assert 0 < stored_bytes(target.fileno()) <= 1 << 20
        assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_what_is_sealed_cannot_be_altered_by_any_way():
    fd = file_of([(0, b"template")], 4096)
    seal(fd)
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    try:
        for one in (fd, again):
            with pytest.raises(PermissionError):
                os.pwrite(one, b"x", 0)
            with pytest.raises(PermissionError):
                os.ftruncate(one, 0)
            with pytest.raises(PermissionError):
                mmap.mmap(one, 4096, flags=mmap.MAP_SHARED)
            with mmap.mmap(one, 4096, flags=mmap.MAP_PRIVATE) as own:
                own[:1] = b"T"
                assert own[:8] == b"Template"
        assert os.pread(fd, 8, 0) == b"template"
    finally:
        os.close(fd)
        os.close(again)


def test_who_reads_it_again_begins_at_its_beginning():
    fd = file_of([(0, b"template")])
    first, second = reopen(fd), reopen(fd)
    try:
        assert os.read(first, 4) == b"temp"
        assert os.read(second, 8) == b"template"
        assert os.read(first, 4) == b"late"
    finally:
        for one in (fd, first, second):
            os.close(one)


def test_an_opened_file_is_closed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with opened(path) as fd:
        assert os.read(fd, 2) == b"x"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
