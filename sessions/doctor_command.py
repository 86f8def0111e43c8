"""`sessiond doctor`: what works on this host, what does not and why, and what to install."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from sessions.control import running
from sessions.runtimes.browser.availability import BrowserAvailability, describe_browsers
from sessions.runtimes.vm.acceleration import find_acceleration
from sessions.runtimes.vm.availability import Availability, describe
from sessions.runtimes.vm.choice import cache_of
from sessions.runtimes.vm.image import Image, Progress, build_image
from sessions.runtimes.vm.port import MachineError, RuntimeUnavailable
from sessions.settings import Settings

ALL_WELL: Final = 0
SOME_ARE_NOT: Final = 1
_WIDTH: Final = 14

F = TypeVar("F", Availability, BrowserAvailability)


class Findings(msgspec.Struct, frozen=True):
    """What `--json` prints: every runtime, available or not."""

    runtimes: list[Availability | BrowserAvailability]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: `prepare` builds what is missing or old, of the packages in `packages`."""

    json: bool = False
    prepare: bool = False
    packages: str | None = None


async def run_doctor(settings: Settings, wish: Wish) -> int:
    """Print what is found; the exit code tells whether every runtime is available."""
    cache = cache_of(settings)
    if wish.prepare and settings.vm != "off":
        try:
            await _prepare(cache, None if wish.packages is None else Path(wish.packages))
        except MachineError as error:
            _say(f"not prepared: {error}")
    found = await describe(cache, settings.folder, running=running(settings.folder))
    if settings.vm == "off":
        found = _switched_off(found, "vm")
    browsers = await _browsers(settings)
    if wish.json:
        encoded = msgspec.json.format(msgspec.json.encode(Findings([found, browsers])))
        print(encoded.decode())
    else:
        print("\n".join([*report(found), *report(browsers)]))
    return ALL_WELL if found.available and browsers.available else SOME_ARE_NOT


async def _browsers(settings: Settings) -> BrowserAvailability:
    owned = running(settings.folder)
    program = settings.browser_program or ""
    found = await asyncio.to_thread(
        lambda: describe_browsers(settings.folder, program, running=owned)
    )
    return _switched_off(found, "browsers") if settings.browsers == "off" else found


def _switched_off(found: F, setting: str) -> F:
    why = f"switched off by the setting {setting}"
    return msgspec.structs.replace(found, available=False, why=why, install="")


async def _prepare(cache: Path, packages: Path | None) -> None:
    # Only here: what cannot be imported must not keep anybody from asking the doctor.
    from sessions.runtimes.vm.runtime import Qemu

    image = await _image(cache, packages, _say)
    await find_acceleration(cache, image, _say, again=True)
    # Templates are for all services: in a data folder a running one would have its machines ended.
    with tempfile.TemporaryDirectory(prefix="sessiond-doctor-") as folder:
        machines = Qemu(Path(folder), cache, progress=_say)
        try:
            await machines.prepare()
        finally:
            await machines.close()


async def _image(cache: Path, packages: Path | None, progress: Progress) -> Image:
    """Today's image; the one that is there, where today's cannot be built."""
    try:
        return await build_image(cache, progress, packages=packages, renew=True)
    except RuntimeUnavailable as error:
        if packages is not None:
            raise
        progress(f"no newer image: {error}")
        return await build_image(cache, progress)


def report(found: Availability | BrowserAvailability) -> Iterator[str]:
    """The findings about one runtime, for people."""
    yield f"{found.name}: {'available' if found.available else 'NOT available'}"
    lines = _lines(found) if isinstance(found, Availability) else _browser_lines(found)
    orphans = f"processes {_listed(found.orphans)}: the next start of the service ends them"
    for name, text in (
        ("why", found.why),
        ("to install", found.install),
        *lines,
        ("orphans", orphans if found.orphans else "none"),
    ):
        if text:
            yield f"  {name:<{_WIDTH}}{text}"


def _browser_lines(found: BrowserAvailability) -> Iterator[tuple[str, str]]:
    yield "program", found.program
    yield "version", found.version
    yield "sandbox", found.sandbox
    yield "browsers", found.folder


def _lines(found: Availability) -> Iterator[tuple[str, str]]:
    yield "qemu", found.qemu
    acceleration = found.acceleration
    yield "acceleration", f"{acceleration.name}: {acceleration.why}" if acceleration else ""
    image = found.image
    if image.state == "ready":
        yield (
            "image",
            f"{image.key}, Linux {image.kernel}, {image.packages} packages, {_mib(image.bytes)}",
        )
    else:
        yield "image", image.state
    yield "templates", f"with {_listed(found.templates)} vCPU" if found.templates else "none built"
    for name, disk in (("cache", found.cache), ("machines", found.machines)):
        yield name, f"{disk.folder}: {_mib(disk.used_bytes)} used, {_mib(disk.free_bytes)} free"
    yield "isolation", "; ".join(found.isolation)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"


def _say(text: str) -> None:
    print(f"sessiond: {text}", file=sys.stderr, flush=True)
