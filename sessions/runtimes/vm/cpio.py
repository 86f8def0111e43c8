"""The archive that Linux unpacks as its first file system (cpio, "newc"), byte for byte."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"070701"
_TRAILER: Final = "TRAILER!!!"
_BLOCK: Final = 512
_SIZE_MAX: Final = (1 << 32) - 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name of an archive; `mode` holds the type as well, `device` major and minor of a node."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(name: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(name=name, mode=stat.S_IFDIR | permissions)


def file(name: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A file with these bytes."""
    return Entry(name=name, mode=stat.S_IFREG | permissions, data=data)


def link(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name=name, mode=stat.S_IFLNK | 0o777, data=target.encode())


def character_device(name: str, major: int, minor: int, permissions: int) -> Entry:
    """A node of a character device; it needs no privilege to be written into an archive."""
    return Entry(name=name, mode=stat.S_IFCHR | permissions, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The bytes of an archive of these entries, in this order, owned by root and without times.

    Raises ValueError for a name that repeats, or that Linux would not unpack below the root.
    """
    written = bytearray()
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        _check(entry, seen)
        seen.add(entry.name)
        _write(written, number, entry)
    _write(written, 0, Entry(name=_TRAILER, mode=0))
    written.extend(bytes(-len(written) % _BLOCK))
    return bytes(written)


def _check(entry: Entry, seen: set[str]) -> None:
    parts = entry.name.split("/")
    if "\0" in entry.name or not {"", ".", ".."}.isdisjoint(parts) or entry.name == _TRAILER:
        raise ValueError(f"{entry.name!r} cannot be a name in an archive")
    if entry.name in seen:
        raise ValueError(f"{entry.name!r} is in the archive twice")
    if len(entry.data) > _SIZE_MAX:
        raise ValueError(f"{entry.name!r} is too large for the format")


def _write(written: bytearray, number: int, entry: Entry) -> None:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    owner = group = modified = checksum = 0
    file_device = (0, 0)
    fields = (
        number,
        entry.mode,
        owner,
        group,
        links,
        modified,
        len(entry.data),
        *file_device,
        *entry.device,
        len(name),
        checksum,
    )
    written.extend(_MAGIC + b"".join(b"%08X" % field for field in fields) + name)
    written.extend(bytes(-len(written) % 4))
    written.extend(entry.data)
    written.extend(bytes(-len(written) % 4))
