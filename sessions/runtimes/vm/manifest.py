"""What an image was made of and what its files are: the key of an image, and how damage is seen."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.vm.guest_tree import GUEST_FILES
from sessions.runtimes.vm.packages import Package

FILES: Final = (
    "vmlinuz",
    "initrd",
    "root.erofs",
    "scratch.ext4",
    "stub.vmlinuz",
    "empty.initrd",
)
_SPARSE: Final = frozenset({"scratch.ext4"})
_MAKERS: Final = ("builder", "cpio", "guest_tree", "kernel_modules", "packages")
_PIECE: Final = 64 << 10


class File(msgspec.Struct, frozen=True):
    """How large a file is, and the digest by which damage is seen."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an image follows from, and the files that came of it; it holds no time."""

    builder: str
    guest: dict[str, str]
    packages: list[Package]
    kernel: str
    files: dict[str, File]

    @property
    def key(self) -> str:
        """Names the image; whatever differs in it or in what it was made of gives another."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:32]

    @property
    def is_ours(self) -> bool:
        """True if this program would put the same files into the guest today."""
        return self.builder == builder_version() and self.guest == guest_digests()


@functools.cache
def builder_version() -> str:
    """Names the programs that make an image: another one for whatever changes in them."""
    here = Path(__file__).parent
    sources = [(here / f"{name}.py").read_bytes() for name in _MAKERS]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]


def guest_digests() -> dict[str, str]:
    """The sha256 of each of our own files that go into a guest."""
    files = [*GUEST_FILES.glob("*.py"), *GUEST_FILES.glob("*.sh")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def describe_file(path: Path) -> File:
    """The size and sha256 of a file; of one with holes, of what is not zero. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if path.name in _SPARSE:
            return File(size, _digest_of_data(file))
        return File(size, hashlib.file_digest(file, "sha256").hexdigest())


def _digest_of_data(file: FileIO) -> str:
    digest = hashlib.sha256()
    for position, piece in data_pieces(file, _PIECE):
        digest.update(position.to_bytes(8) + piece)
    return digest.hexdigest()


def data_pieces(file: FileIO, size: int) -> Iterator[tuple[int, bytes]]:
    """The pieces of a file that are not all zero, and where; holes are passed over unread."""
    end = os.fstat(file.fileno()).st_size
    position = 0
    while (position := _next_data(file.fileno(), position, end)) < end:
        position -= position % size
        file.seek(position)
        piece = file.read(size)
        # A hole and zeros are the same content, whatever the file system makes of them.
        if piece.count(0) != len(piece):
            yield position, piece
        position += size


def _next_data(descriptor: int, position: int, end: int) -> int:
    if position >= end:
        return end
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        return end if error.errno == errno.ENXIO else position
