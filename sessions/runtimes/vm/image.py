"""The guest image: found whole in the cache, or built there once for all services."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.vm.manifest import FILES, Manifest, describe_file
from sessions.runtimes.vm.port import RuntimeUnavailable
from sessions.runtimes.vm.programs import TO_BUILD, TO_DOWNLOAD, missing, packages_of

Progress = Callable[[str], None]
"""Is told what is being done, in a few words."""

_MANIFEST: Final = "manifest.json"
_LAST_USED: Final = "last-used"
_UNFINISHED: Final = ".building-"
_LOCK_POLL_S: Final = 0.1
_DEADLINE_S: Final = 1200.0
_UNUSED_S_MAX: Final = 30 * 86_400
_IMAGES_MAX: Final = 8
_MANIFEST_BYTES_MAX: Final = 1 << 20


class Image(msgspec.Struct, frozen=True):
    """The files of a guest; whole when it was looked at, and never changed afterwards."""

    folder: Path
    key: str
    manifest: Manifest

    @property
    def vmlinuz(self) -> Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What the kernel starts from."""
        return self.folder / "initrd"

    @property
    def root(self) -> Path:
        """The read-only disk with the file system of the guest."""
        return self.folder / "root.erofs"

    @property
    def scratch(self) -> Path:
        """An empty disk to be copied for each machine."""
        return self.folder / "scratch.ext4"

    @property
    def stub_vmlinuz(self) -> Path:
        """The head of the kernel: enough where a machine goes on from saved memory."""
        return self.folder / "stub.vmlinuz"

    @property
    def empty_initrd(self) -> Path:
        """Nothing, for a machine that goes on from saved memory."""
        return self.folder / "empty.initrd"


def default_cache() -> Path:
    """The cache of this user, where no other is set."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen and Path(chosen).is_absolute():
        return Path(chosen) / "sessiond" / "vm"
    try:
        return Path.home() / ".cache" / "sessiond" / "vm"
    except RuntimeError:
        # A user without a home: nothing can be built, and whoever tries is told so.
        return Path("/nonexistent/sessiond/vm")


def find_image(cache: Path) -> Image | None:
    """The image in use: the newest whole one with our own files as they are today. Blocks."""
    for folder in _newest_first(cache / "images"):
        manifest = _manifest_in(folder)
        if manifest is not None and manifest.is_ours and (image := load_image(cache, folder.name)):
            return image
    return None


def seems_there(cache: Path) -> bool:
    """True if an image is in use, as far as a look without reading it tells. Blocks."""
    for folder in _newest_first(cache / "images"):
        manifest = _manifest_in(folder)
        if manifest is None or not manifest.is_ours:
            continue
        with contextlib.suppress(OSError):
            return all(
                (folder / name).stat().st_size == manifest.files[name].size for name in FILES
            )
    return False


def load_image(cache: Path, key: str) -> Image | None:
    """The image of that key, if it is there and whole: every file is read. Blocks."""
    folder = cache / "images" / key
    manifest = _manifest_in(folder)
    if manifest is None or not _is_whole(folder, manifest):
        return None
    with contextlib.suppress(OSError):
        (folder / _LAST_USED).touch(0o644)
    return Image(folder, key, manifest)


def _manifest_in(folder: Path) -> Manifest | None:
    try:
        if (folder / _MANIFEST).stat().st_size > _MANIFEST_BYTES_MAX:
            return None
        manifest = msgspec.json.decode((folder / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    whole = manifest.key == folder.name and set(manifest.files) == set(FILES)
    return manifest if whole else None


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    try:
        return all(describe_file(folder / name) == manifest.files[name] for name in FILES)
    except OSError:
        return False


async def build_image(
    cache: Path, progress: Progress, *, packages: Path | None = None, renew: bool = False
) -> Image:
    """A whole image, built if there is none; `renew`: of today's packages even if there is one.

    `packages` is a folder of packages to build from, where apt is not to be asked.
    Raises RuntimeUnavailable with what is missing.
    """
    renew = renew or packages is not None
    if not renew and (found := await asyncio.to_thread(find_image, cache)):
        return found
    _check_programs(packages)
    images = cache / "images"
    try:
        images.mkdir(parents=True, exist_ok=True)
        async with _locked(images / ".lock", progress) as lock:
            if not renew and (found := await asyncio.to_thread(find_image, cache)):
                return found
            current = await asyncio.to_thread(_tidy, cache)
            return await _build(cache, progress, packages, current, lock)
    except (OSError, msgspec.DecodeError) as error:
        raise RuntimeUnavailable(f"the guest image cannot be built: {error}") from None


def _check_programs(packages: Path | None) -> None:
    wanted = TO_BUILD if packages is not None else {**TO_BUILD, **TO_DOWNLOAD}
    absent = missing(wanted)
    if absent:
        raise RuntimeUnavailable(
            f"the guest image cannot be built without {', '.join(absent)}: "
            f"apt-get install {' '.join(packages_of(absent))}"
        )


async def _build(
    cache: Path, progress: Progress, packages: Path | None, current: Image | None, lock: int
) -> Image:
    images = cache / "images"
    began = time.monotonic()
    room = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=images))
    try:
        target = room / "image"
        target.mkdir()
        known = None if current is None else current.folder / _MANIFEST
        options = {"--packages": packages, "--current": known}
        manifest = await _run_builder(target, room, progress, options, lock)
        image = await to_its_end(lambda: _publish(cache, target, manifest))
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, room, ignore_errors=True))
    if current is not None and image.key == current.key:
        progress("the guest image is of today's packages")
    else:
        progress(f"the guest image {image.key} took {time.monotonic() - began:.1f} s to build")
    return image


async def _run_builder(
    target: Path, room: Path, progress: Progress, options: dict[str, Path | None], lock: int
) -> Manifest:
    work = room / "work"
    work.mkdir()
    kept = room.parents[1] / "packages"
    command = [sys.executable, "-P", "-m", "sessions.runtimes.vm.builder"]
    command += [str(target), str(work), str(kept)]
    for option, path in options.items():
        command += [option, str(path.absolute())] if path is not None else []
    top = Path(__file__).resolve().parents[3]
    paths = [str(top), *filter(None, [os.environ.get("PYTHONPATH")])]
    builder = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
        limit=_MANIFEST_BYTES_MAX,
        # It keeps the lock even if this process is killed and it takes a moment to follow.
        pass_fds=(lock,),
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            last, complaint = await asyncio.gather(
                _follow(builder.stdout, progress), _whole(builder.stderr)
            )
            code = await builder.wait()
    except TimeoutError:
        raise RuntimeUnavailable("the guest image was not built in time") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(builder.pid, signal.SIGKILL)
        await asyncio.shield(builder.wait())
    if code:
        words = complaint.strip().splitlines()[-1:] or [f"the builder ended with {code}"]
        raise RuntimeUnavailable(f"the guest image cannot be built: {words[0]}")
    return msgspec.json.decode(last, type=Manifest)


async def _follow(stream: asyncio.StreamReader | None, progress: Progress) -> str:
    last = ""
    while stream is not None and (line := (await stream.readline()).decode()):
        last = line.rstrip("\n")
        if not last.startswith("{"):
            progress(last)
    return last


async def _whole(stream: asyncio.StreamReader | None) -> str:
    return "" if stream is None else (await stream.read()).decode(errors="replace")


def _publish(cache: Path, target: Path, manifest: Manifest) -> Image:
    place = cache / "images" / manifest.key
    if (there := load_image(cache, manifest.key)) is not None:
        os.utime(place / _MANIFEST)
        return there
    encoded = msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"))
    (target / _MANIFEST).write_bytes(encoded + b"\n")
    for name in (*FILES, _MANIFEST):
        with (target / name).open("rb") as file:
            os.fsync(file.fileno())
    target.chmod(0o755)
    shutil.rmtree(place, ignore_errors=True)
    target.rename(place)
    _sync_folder(place.parent)
    image = load_image(cache, manifest.key)
    if image is None:
        raise RuntimeUnavailable(f"the guest image in {place} was damaged as soon as it was built")
    return image


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tidy(cache: Path) -> Image | None:
    """Remove unfinished and damaged images and those long unused; the one that is in use then."""
    images = cache / "images"
    for unfinished in images.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    for number, folder in enumerate(_newest_first(images)):
        unwanted = number >= _IMAGES_MAX or time.time() - _last_used(folder) > _UNUSED_S_MAX
        manifest = _manifest_in(folder)
        if unwanted or manifest is None or not _is_whole(folder, manifest):
            shutil.rmtree(folder, ignore_errors=True)
    return find_image(cache)


def _last_used(folder: Path) -> float:
    for path in (folder / _LAST_USED, folder):
        with contextlib.suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _newest_first(images: Path) -> Iterator[Path]:
    made: dict[Path, float] = {}
    for path in images.glob(f"[!.]*/{_MANIFEST}"):
        # Another service may be removing it.
        with contextlib.suppress(OSError):
            made[path.parent] = path.stat().st_mtime
    return iter(sorted(made, key=lambda folder: made[folder], reverse=True))


@contextlib.asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncIterator[int]:
    """Hold the lock that one builder of all services has at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("waiting for another service that builds the guest image")
                told = True
                await asyncio.sleep(_LOCK_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)
