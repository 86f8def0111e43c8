"""Zip archives out and in, all within bounds; blocking, for a thread."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Final

ENTRIES_MAX: Final = 2_000
DIRECTORY_BYTES_MAX: Final = 512 << 10
ENTRY_BYTES_MAX: Final = 16 << 20
TOTAL_BYTES_MAX: Final = 64 << 20
NAME_CHARS_MAX: Final = 512

# The record at the end of a zip: signature, ..., size of the directory, its offset, comment length.
_END: Final = struct.Struct("<4s8xLLH")
_END_SIGNATURE: Final = b"PK\5\6"
_ZIP64_LOCATOR: Final = b"PK\6\7"
_ZIP64_LOCATOR_BYTES: Final = 20
_COMMENT_MAX: Final = 0xFFFF
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 1
# Who packed it may not have said what an entry is.
_KINDS: Final = (0, stat.S_IFREG, stat.S_IFDIR)
# The same entries give the same bytes, whenever they are asked for.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
# What the standard library says of bytes that only look like a zip.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class BadArchive(Exception):
    """The bytes are no zip, or not one that anybody has to take."""


def pack(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of the entries, in their order; the same entries give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return made.getvalue()


class Archive:
    """A zip that somebody sent: the size of everything in it is checked, also as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        """Raises BadArchive unless every entry has a plain relative name of its own."""
        _check_directory(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise BadArchive(f"not a zip: {error}") from None
        self._left = TOTAL_BYTES_MAX
        self._entries = dict(_files(self._zip.infolist()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files, in the order of the archive."""
        return tuple(self._entries)

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises BadArchive, also if it is not there."""
        entry = self._entries.get(name)
        if entry is None:
            raise BadArchive(f"there is no {name}")
        limit = min(ENTRY_BYTES_MAX, self._left)
        try:
            with self._zip.open(entry) as file:
                content = file.read(limit + 1)
        except _BROKEN as error:
            raise BadArchive(f"{name} cannot be read: {error}") from None
        if len(content) > limit:
            raise BadArchive(f"{name} is too large")
        self._left -= len(content)
        return content


def _check_directory(file: IO[bytes]) -> None:
    """The standard library reads the whole directory at once: it must not be a large one."""
    try:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _END.size - _COMMENT_MAX - _ZIP64_LOCATOR_BYTES))
        tail = file.read()
    except OSError as error:
        raise BadArchive(f"not readable: {error}") from None
    at = len(tail) - _END.size
    # As the standard library looks for it: first without a comment, then from behind.
    if at < 0 or tail[at : at + 4] != _END_SIGNATURE or tail[-2:] != b"\0\0":
        at = tail.rfind(_END_SIGNATURE)
    if at < 0 or at + _END.size > len(tail):
        raise BadArchive("not a zip")
    _, directory_bytes, _, _ = _END.unpack_from(tail, at)
    locator = tail[max(0, at - _ZIP64_LOCATOR_BYTES) : at]
    if locator.startswith(_ZIP64_LOCATOR) or directory_bytes > DIRECTORY_BYTES_MAX:
        raise BadArchive("too many files")


def _files(entries: list[zipfile.ZipInfo]) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    if len(entries) > ENTRIES_MAX:
        raise BadArchive("too many files")
    seen: set[str] = set()
    for entry in entries:
        _check_name(entry.orig_filename)
        if entry.filename in seen:
            raise BadArchive(f"two files are named {entry.filename}")
        seen.add(entry.filename)
        if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
            raise BadArchive(f"{entry.filename} is packed in a way that is not taken")
        if stat.S_IFMT(entry.external_attr >> 16) not in _KINDS:
            raise BadArchive(f"{entry.filename} is a link, or no file at all")
        if entry.file_size > ENTRY_BYTES_MAX:
            raise BadArchive(f"{entry.filename} is too large")
        if not entry.is_dir():
            yield entry.filename, entry


def _check_name(name: str) -> None:
    """A name that leads nowhere but down from where the archive is."""
    steps = name.removesuffix("/").split("/")
    if len(name) > NAME_CHARS_MAX or not name.isprintable() or "\\" in name or ":" in name:
        raise BadArchive("a file has a name that is not taken")
    if any(step in ("", ".", "..") for step in steps):
        raise BadArchive(f"{name} leads out of the archive")
