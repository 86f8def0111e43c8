"""Template machines: booted once, kept in the cache for all services, in sealed memory for us."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.vm.argv import BASE_MB, Shape, shape_key
from sessions.runtimes.vm.image import Image, Progress
from sessions.runtimes.vm.memory_files import copy_sparse, memory_file, opened, seal
from sessions.runtimes.vm.port import RuntimeUnavailable

Boot = Callable[[Image, Shape, int, int], Awaitable[None]]
"""Boots a machine in a memory file, warms it and saves its state in another one."""

_LOCK: Final = ".lock"
_LOCK_POLL_S: Final = 0.1
_UNUSED_S_MAX: Final = 30 * 86_400
# Each takes 110 MB: a few images, with a template for each number of processors.
_TEMPLATES_MAX: Final = 20


class Template(msgspec.Struct, frozen=True):
    """Sealed memory files with the base memory and the state of a machine that does nothing yet."""

    shape: Shape
    key: str
    image: Image
    memory: int
    state: int


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is beside the two files of a template; written last."""

    key: str
    memory: str
    state: str


class Templates:
    """The templates of one service; each is looked for, built or repaired once at a time."""

    def __init__(self, cache: Path, qemu_version: str, boot: Boot, progress: Progress) -> None:
        self._folder = cache / "templates"
        self._qemu_version = qemu_version
        self._boot = boot
        self._progress = progress
        self._loaded: dict[str, Template] = {}
        self._turns: dict[str, asyncio.Lock] = {}

    def key_of(self, image_key: str, shape: Shape) -> str:
        """Names what a state saved from such a machine depends on."""
        return shape_key(shape, self._qemu_version, image_key)

    async def get(self, image: Image, shape: Shape) -> Template:
        """A template that is whole; raises RuntimeUnavailable or MachineFailed."""
        key = self.key_of(image.key, shape)
        async with self._turns.setdefault(key, asyncio.Lock()):
            found = self._loaded.get(key)
            if found is None:
                found = self._loaded[key] = await self._find_or_build(image, shape, key)
            return found

    def close(self) -> None:
        """Give back the memory."""
        while self._loaded:
            _close(self._loaded.popitem()[1])

    async def _find_or_build(self, image: Image, shape: Shape, key: str) -> Template:
        try:
            if template := await self._look(image, shape, key):
                return template
            folder = self._path(key, shape, "json").parent
            folder.mkdir(parents=True, exist_ok=True)
            async with _locked(folder / _LOCK):
                if template := await self._look(image, shape, key):
                    return template
                await asyncio.to_thread(self._tidy, key)
                return await self._build(image, shape, key)
        except OSError as error:
            raise RuntimeUnavailable(f"no template of a machine can be kept: {error}") from None

    async def _build(self, image: Image, shape: Shape, key: str) -> Template:
        self._progress(f"building the template of a machine with {shape.vcpu_count} vCPU")
        began = time.monotonic()
        with contextlib.ExitStack() as made:
            memory = memory_file("template-memory", BASE_MB << 20)
            made.callback(os.close, memory)
            state = memory_file("template-state")
            made.callback(os.close, state)
            await self._boot(image, shape, memory, state)
            await to_its_end(lambda: self._publish(shape, key, memory, state))
            made.pop_all()
        took = time.monotonic() - began
        self._progress(f"the template with {shape.vcpu_count} vCPU took {took:.1f} s to build")
        return Template(shape, key, image, memory, state)

    async def _look(self, image: Image, shape: Shape, key: str) -> Template | None:
        return await to_its_end(lambda: self._load(image, shape, key), _close)

    def _publish(self, shape: Shape, key: str, memory: int, state: int) -> None:
        seal(memory)
        seal(state)
        digests = {}
        for name, fd in (("mem", memory), ("state", state)):
            path = self._path(key, shape, name)
            with _replacing(path) as target:
                digests[name] = copy_sparse(fd, target)
        manifest = _Manifest(key=key, memory=digests["mem"], state=digests["state"])
        with _replacing(self._path(key, shape, "json")) as target:
            os.write(target, msgspec.json.format(msgspec.json.encode(manifest)))

    def _load(self, image: Image, shape: Shape, key: str) -> Template | None:
        """The template in sealed memory; None where it is not there, or not as it was written."""
        made: list[int] = []
        try:
            path = self._path(key, shape, "json")
            manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
            for name, digest in (("mem", manifest.memory), ("state", manifest.state)):
                made.append(memory_file(f"template-{name}"))
                with opened(self._path(key, shape, name)) as source:
                    if copy_sparse(source, made[-1]) != digest:
                        raise ValueError(f"{name} is damaged")
                seal(made[-1])
            if manifest.key != key:
                raise ValueError("it is another machine's")
            with contextlib.suppress(OSError):
                os.utime(path)
            return Template(shape, key, image, *made)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, msgspec.DecodeError) as error:
            self._progress(f"the template with {shape.vcpu_count} vCPU cannot be used: {error}")
        for fd in made:
            os.close(fd)
        return None

    def _path(self, key: str, shape: Shape, suffix: str) -> Path:
        return self._folder / key / f"snap{shape.vcpu_count}.{suffix}"

    def _tidy(self, key: str) -> None:
        """Make room for one more: what nobody has used for long goes, and the oldest of many."""
        used: list[tuple[float, Path]] = []
        for manifest in self._folder.glob("*/snap*.json"):
            with contextlib.suppress(OSError):
                used.append((manifest.stat().st_mtime, manifest.parent))
        used.sort(reverse=True)
        for number, (at, folder) in enumerate(used):
            unwanted = number + 1 >= _TEMPLATES_MAX or time.time() - at > _UNUSED_S_MAX
            if unwanted and folder.name != key:
                shutil.rmtree(folder, ignore_errors=True)


def _close(template: Template | None) -> None:
    if template is not None:
        os.close(template.memory)
        os.close(template.state)


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock that one builder of all services has at a time."""
    with opened(path, os.O_RDWR | os.O_CREAT) as fd:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_S)
        yield


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[int]:
    """A file that takes the place of `path` when it is whole and durable; under the lock."""
    fresh = path.with_name(f".{path.name}.new")
    with opened(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as fd:
        yield fd
        os.fsync(fd)
    fresh.rename(path)
