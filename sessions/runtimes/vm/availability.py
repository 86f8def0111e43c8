"""What can be said about the machines of this host without making one."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import Final, Literal

import msgspec

from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.acceleration import (
    Acceleration,
    known_acceleration,
    qemu_version,
    why_no_kvm,
)
from sessions.runtimes.vm.argv import Shape, shape_key
from sessions.runtimes.vm.image import Image, find_image, seems_there
from sessions.runtimes.vm.isolation import find_isolation
from sessions.runtimes.vm.port import RuntimeUnavailable
from sessions.runtimes.vm.programs import (
    TO_BUILD,
    TO_DOWNLOAD,
    TO_RUN,
    missing,
    packages_of,
)
from sessions.runtimes.vm.sweep import orphans

VCPU_COUNTS: Final = (1, 2, 4, 6, 8)
# Packages, the unpacked guest and the image; and one template with its memory.
_TO_BUILD_BYTES: Final = 512 << 20


class GuestImage(msgspec.Struct, frozen=True):
    """The image that machines start from; built when it is first needed."""

    state: Literal["ready", "not built"]
    key: str = ""
    kernel: str = ""
    packages: int = 0
    bytes: int = 0


class Disk(msgspec.Struct, frozen=True):
    """Room in a folder."""

    folder: str
    used_bytes: int
    free_bytes: int


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether machines can be made, what is missing otherwise, and what is there."""

    name: str = "vm"
    available: bool
    why: str
    install: str = ""
    qemu: str = ""
    acceleration: Acceleration | None = None
    image: GuestImage
    templates: list[int]
    cache: Disk
    machines: Disk
    isolation: list[str]
    orphans: list[int]


async def describe(cache: Path, data: Path, *, running: bool) -> Availability:
    """How things stand; it starts no machine and changes nothing.

    Machines of a service that is `running` in `data` have an owner; without one they are orphans.
    """
    image = await asyncio.to_thread(find_image, cache)
    isolation = await find_isolation(tag_of(data))
    return await asyncio.to_thread(_describe, cache, data, running, image, isolation.in_force)


async def obstacle(cache: Path) -> tuple[str, str] | None:
    """Why no machine can be made here, and what to install; None if a look finds no reason.

    Cheap, for every start of a service: it runs nothing and reads no image.
    """
    return await asyncio.to_thread(lambda: _obstacle(cache, built=seems_there(cache)))


def _describe(
    cache: Path, data: Path, running: bool, image: Image | None, isolation: list[str]
) -> Availability:
    found = _obstacle(cache, built=image is not None)
    version = ""
    if not missing(TO_RUN):
        try:
            version = qemu_version()
        except RuntimeUnavailable as error:
            found = str(error), "apt-get install --reinstall qemu-system-x86"
    acceleration = _acceleration(cache, image, version) if version else None
    return Availability(
        available=found is None,
        why=found[0] if found else _why_available(image),
        install=found[1] if found else "",
        qemu=version,
        acceleration=acceleration,
        image=_image_state(image),
        templates=_templates(cache, image, version, acceleration),
        cache=_disk(cache),
        machines=_disk(data / "machines"),
        isolation=isolation,
        orphans=[] if running else orphans(tag_of(data)),
    )


def _obstacle(cache: Path, *, built: bool) -> tuple[str, str] | None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "machines need Linux on x86-64", ""
    absent = missing(TO_RUN)
    if not built:
        absent += missing(TO_BUILD) + missing(TO_DOWNLOAD)
    if absent:
        install = f"apt-get install {' '.join(packages_of(absent))}"
        return f"there is no {', no '.join(absent)}", install
    if importlib.util.find_spec("qemu") is None or importlib.util.find_spec("qemu.qmp") is None:
        return "there is no Python package qemu.qmp", "pip install qemu.qmp"
    return None if built else _no_room(cache)


def _no_room(cache: Path) -> tuple[str, str] | None:
    place = _existing(cache)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return f"the guest image cannot be built in {cache}: {place} is no writable folder", ""
    if shutil.disk_usage(place).free < _TO_BUILD_BYTES:
        needed = _TO_BUILD_BYTES >> 20
        return f"the guest image needs {needed} MiB in {cache}, which is on a full disk", ""
    return None


def _why_available(image: Image | None) -> str:
    if image is None:
        return "all that is needed is installed; the image is built when it is first needed"
    return "all that is needed is there"


def _acceleration(cache: Path, image: Image | None, version: str) -> Acceleration | None:
    against = why_no_kvm()
    if against is not None:
        return Acceleration("tcg", against)
    return None if image is None else known_acceleration(cache, image, version)


def _image_state(image: Image | None) -> GuestImage:
    if image is None:
        return GuestImage("not built")
    manifest = image.manifest
    size = _used(image.folder)
    return GuestImage("ready", image.key, manifest.kernel, len(manifest.packages), size)


def _templates(
    cache: Path, image: Image | None, version: str, acceleration: Acceleration | None
) -> list[int]:
    if image is None or acceleration is None:
        return []
    built = []
    for count in VCPU_COUNTS:
        shape = Shape(acceleration=acceleration.name, vcpu_count=count)
        key = shape_key(shape, version, image.key)
        if (cache / "templates" / key / f"snap{count}.json").exists():
            built.append(count)
    return built


def _disk(folder: Path) -> Disk:
    return Disk(str(folder), _used(folder), shutil.disk_usage(_existing(folder)).free)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _used(folder: Path) -> int:
    """What the files below a folder really take; holes cost nothing."""
    used = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            used += path.lstat().st_blocks * 512
    return used
