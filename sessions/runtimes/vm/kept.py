"""Whole machines on disk: memory, state and disk of each, with digests that tell damage."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sessions.runtimes.vm.argv import Shape
from sessions.runtimes.vm.memory_files import (
    copy_sparse,
    digest_of,
    opened,
    stored_bytes,
    unnamed_file,
)
from sessions.runtimes.vm.port import KeptLost, MachineFailed

_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_UNFINISHED: Final = ".keeping-"
_STATE: Final = "state"
_SCRATCH: Final = "scratch"
_ROOT: Final = "root"
_MANIFEST: Final = "manifest.json"
_MANIFEST_BYTES_MAX: Final = 65_536


class KeptManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a kept machine; `key` names what its state depends on."""

    key: str
    image: str
    shape: Shape
    memory_mb: int
    state: str = ""
    scratch: str = ""


class Kept(msgspec.Struct, frozen=True):
    """A kept machine that was found whole, opened to go on from; close both descriptors."""

    manifest: KeptManifest
    root: Path
    state: int
    scratch: int

    def close(self) -> None:
        """Nobody goes on from it."""
        os.close(self.state)
        os.close(self.scratch)


class Keeping:
    """A machine that is being kept: fill both files, then `finish` or `discard` it."""

    def __init__(self, folder: Path, name: str, root: Path) -> None:
        """Raises OSError."""
        self._place = folder / name
        self._room = folder / f"{_UNFINISHED}{name}"
        shutil.rmtree(self._room, ignore_errors=True)
        self._room.mkdir(parents=True, mode=0o700)
        try:
            # The image may leave the cache when a newer one is there; a kept machine needs its own.
            try:
                (self._room / _ROOT).hardlink_to(root)
            except OSError:
                shutil.copyfile(root, self._room / _ROOT)
            self.state = self._create(_STATE)
        except BaseException:
            shutil.rmtree(self._room, ignore_errors=True)
            raise

    def copy_scratch(self, source: int) -> str:
        """Copy the disk of a machine that stands still; its digest. Blocks."""
        with opened(self._room / _SCRATCH, os.O_RDWR | os.O_CREAT | os.O_EXCL) as target:
            digest = copy_sparse(source, target)
            os.fsync(target)
        return digest

    def finish(self, manifest: KeptManifest, scratch: str) -> int:
        """Make it durable and known by its name; how many bytes it takes. Blocks."""
        os.fsync(self.state)
        state = digest_of(self.state)
        whole = msgspec.structs.replace(manifest, state=state, scratch=scratch)
        with opened(self._room / _MANIFEST, os.O_RDWR | os.O_CREAT | os.O_EXCL) as target:
            os.write(target, msgspec.json.format(msgspec.json.encode(whole)))
            os.fsync(target)
        with opened(self._room / _SCRATCH) as disk:
            size = stored_bytes(self.state) + stored_bytes(disk)
        shutil.rmtree(self._place, ignore_errors=True)
        self._room.rename(self._place)
        _sync_folder(self._place.parent)
        self._close()
        return size

    def discard(self) -> None:
        """Nothing is left of it, unless it was finished. Blocks."""
        self._close()
        shutil.rmtree(self._room, ignore_errors=True)

    def _create(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.open(self._room / name, flags, 0o600)

    def _close(self) -> None:
        if self.state >= 0:
            os.close(self.state)
            self.state = -1


class KeptMachines:
    """The folder of kept machines of one service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sweep(self) -> None:
        """Remove what was not finished when the service ended. Blocks."""
        for room in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(room, ignore_errors=True)

    def keeps(self, name: str) -> bool:
        """True if there is one of that name, whole or not."""
        return bool(_NAME.fullmatch(name)) and (self._folder / name / _MANIFEST).exists()

    def names(self) -> tuple[str, ...]:
        """The names of all of them, whole or not. Blocks."""
        found = [place.parent.name for place in self._folder.glob(f"*/{_MANIFEST}")]
        return tuple(sorted(name for name in found if _NAME.fullmatch(name)))

    def forget(self, name: str) -> None:
        """Remove it; nothing where there is none. Blocks."""
        if _NAME.fullmatch(name):
            # Unknown first: a crash half-way must not leave one that looks whole.
            (self._folder / name / _MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def begin(self, name: str, root: Path) -> Keeping:
        """Room for a machine with that root disk to be kept; raises MachineFailed. Blocks."""
        if not _NAME.fullmatch(name):
            raise MachineFailed("a kept machine is named by letters, digits, dots and dashes")
        with _disk():
            return Keeping(self._folder, name, root)

    def open(self, name: str, run: Path) -> Kept:
        """The machine with a disk of its own, its state checked; raises MachineFailed. Blocks."""
        if not self.keeps(name):
            raise KeptLost(f"no machine is kept as {name}")
        place = self._folder / name
        made: list[int] = []
        try:
            manifest = _read_manifest(place / _MANIFEST)
            made.append(os.open(place / _STATE, os.O_RDONLY | os.O_CLOEXEC))
            if digest_of(made[0]) != manifest.state:
                raise _damaged(name, "its memory is not what was kept")
            os.lseek(made[0], 0, os.SEEK_SET)  # QEMU reads on from where we stopped
            with opened(place / _SCRATCH) as source, unnamed_file(run) as disk:
                if copy_sparse(source, disk.fileno()) != manifest.scratch:
                    raise _damaged(name, "its disk is not what was kept")
                made.append(os.dup(disk.fileno()))
            return Kept(manifest, place / _ROOT, *made)
        except BaseException as error:
            for fd in made:
                os.close(fd)
            if isinstance(error, msgspec.DecodeError | FileNotFoundError):
                raise _damaged(name, str(error)) from None
            if isinstance(error, OSError):
                raise MachineFailed(f"the machine kept as {name} cannot be read: {error}") from None
            raise


def _read_manifest(path: Path) -> KeptManifest:
    with path.open("rb") as file:
        return msgspec.json.decode(file.read(_MANIFEST_BYTES_MAX), type=KeptManifest)


def _damaged(name: str, why: str) -> KeptLost:
    return KeptLost(f"the machine kept as {name} is damaged and cannot go on: {why}")


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineFailed(f"the machine cannot be kept: {error}") from None


def _sync_folder(folder: Path) -> None:
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)
