"""Which modules of a kernel a guest loads, and in which order."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessions.runtimes.vm.packages import PackagesError

WANTED: Final = (
    "virtio_pci",
    "virtio_console",
    "virtio_mem",
    "virtio_blk",
    "virtio_rng",
    "erofs",
    "overlay",
    "ext4",
)
_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")


@dataclass(frozen=True)
class Module:
    """A module as insmod wants it."""

    name: str
    data: bytes


def modules(folder: Path, wanted: Iterable[str] = WANTED) -> list[Module]:
    """The wanted modules below `folder` and what they depend on, each after what it depends on.

    Those built into the kernel are not among them. Raises PackagesError for one that is nowhere.
    """
    files = {_name(path.name): path for path in sorted(folder.rglob("*.ko*"))}
    lines = (folder / "modules.builtin").read_text(encoding="utf-8").splitlines()
    built_in = {_name(line.rpartition("/")[2]) for line in lines}
    found: dict[str, Module] = {}

    def add(name: str) -> None:
        if name in found or name in built_in:
            return
        if name not in files:
            raise PackagesError(f"the kernel has no module {name}")
        data = _read(files[name])
        depends = _DEPENDS.search(data)
        for other in depends[1].decode().split(",") if depends else ():
            if other:
                add(_name(other))
        found[name] = Module(f"{name}.ko", data)

    for each in wanted:
        add(each)
    return list(found.values())


def _name(file: str) -> str:
    return file.partition(".ko")[0].replace("-", "_")


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data
