"""Sparse files on disk and in memory; the latter sealed, so that no QEMU can alter them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

# Whole blocks are looked at, wherever a file system let its holes begin: so equal contents have
# equal digests.
_BLOCK: Final = 64 << 10
_ZEROS: Final = bytes(_BLOCK)
# Linux's own numbers, which Python's fcntl names only from 3.12 on.
_ADD_SEALS: Final = 1033
_ALL_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8


def memory_file(name: str, size: int = 0) -> int:
    """A file in memory that can be sealed; the caller closes it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    return fd


def seal(fd: int) -> None:
    """From now on nobody can write to it, neither we nor who inherits it."""
    fcntl.fcntl(fd, _ADD_SEALS, _ALL_SEALS)


def reopen(fd: int) -> int:
    """The same file from its beginning, with an offset of its own; to read."""
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


def copy_sparse(source: int, target: int) -> str:
    """Copy what is not zero into the empty target; the digest of the contents."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    digest = hashlib.sha256(str(size).encode())
    for at, block in _blocks(source, size):
        digest.update(b"%d:%d:" % (at, len(block)))
        digest.update(block)
        _write_all(target, block, at)
    return digest.hexdigest()


def digest_of(fd: int) -> str:
    """The digest of the contents: the size, and each block that is not zero with its place."""
    size = os.fstat(fd).st_size
    digest = hashlib.sha256(str(size).encode())
    for at, block in _blocks(fd, size):
        digest.update(b"%d:%d:" % (at, len(block)))
        digest.update(block)
    return digest.hexdigest()


def stored_bytes(fd: int) -> int:
    """How much room the file takes, holes not counted."""
    return os.fstat(fd).st_blocks * 512


def unnamed_file(folder: Path) -> IO[bytes]:
    """A file without a name in that folder: whoever dies, it leaves nothing behind."""
    return tempfile.TemporaryFile(dir=folder, buffering=0)


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor for as long as it is needed."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def duplicate(fd: int) -> Iterator[int]:
    """A descriptor of the same file, whatever becomes of the given one."""
    twin = os.dup(fd)
    try:
        yield twin
    finally:
        os.close(twin)


def _blocks(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The blocks that hold something, in order, with their places."""
    at = 0
    while (at := _data_from(fd, at)) < size:
        hole = os.lseek(fd, at, os.SEEK_HOLE)
        at -= at % _BLOCK
        while True:
            block = os.pread(fd, _BLOCK, at)
            if not block:
                raise OSError(errno.EIO, "a file became shorter while it was read")
            if not _ZEROS.startswith(block):
                yield at, block
            at += len(block)
            if at >= hole or at >= size:
                break


def _data_from(fd: int, at: int) -> int:
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole from here on
            return 1 << 62
        raise


def _write_all(target: int, block: bytes, at: int) -> None:
    rest = memoryview(block)
    while rest:
        written = os.pwrite(target, rest, at)
        rest, at = rest[written:], at + written
