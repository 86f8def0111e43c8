"""Files that pages hand out: each stored under a harmless name in the folder of the session."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Final

from playwright.async_api import Download, Error

FILES_MAX: Final = 100
BYTES_MAX: Final = 256 << 20
ALL_BYTES_MAX: Final = 512 << 20
SAVE_S: Final = 300.0
LOOK_S: Final = 0.2
DROP_S: Final = 2.0
TOO_LARGE: Final = (
    f"a download has at most {BYTES_MAX >> 20} MiB, and all together {ALL_BYTES_MAX >> 20} MiB"
)
NAME_MAX: Final = 120
_HARMFUL: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class Downloads:
    """The downloads of a session, in order; bounded in number, size and time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()
        self._sizes: list[int] = []
        self._broken: set[int] = set()
        self._tasks: list[asyncio.Task[Path | str]] = []

    @property
    def count(self) -> int:
        """How many have begun so far."""
        return len(self._tasks)

    def begin(self, download: Download) -> None:
        """Store what a page hands out."""
        self._tasks.append(asyncio.create_task(self._store(download)))

    async def one_after(self, count: int, seconds: float) -> Path | str | None:
        """The file that began after that many, or why there is none; None where none began."""
        deadline = asyncio.get_running_loop().time() + seconds
        while len(self._tasks) <= count:
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(0.02)
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        done, _ = await asyncio.wait({self._tasks[count]}, timeout=left)
        return done.pop().result() if done else "the download still goes on"

    async def leave(self) -> None:
        """No download goes on any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _store(self, download: Download) -> Path | str:
        number = len(self._sizes)
        self._sizes.append(0)
        if number >= FILES_MAX:
            await _drop(download)
            return f"there are {FILES_MAX} downloads already"
        watching = asyncio.create_task(self._watch(download, number))
        try:
            stored = await self._saved(download, number)
        finally:
            watching.cancel()
        if isinstance(stored, str):
            self._sizes[number] = 0
        await _drop(download)
        return stored

    async def _saved(self, download: Download, number: int) -> Path | str:
        path = self._folder / self._name(download.suggested_filename)
        try:
            async with asyncio.timeout(SAVE_S):
                await download.save_as(path)
            self._sizes[number] = path.stat().st_size
        except Error:
            return TOO_LARGE if number in self._broken else "the download was broken off"
        except TimeoutError:
            return "the download took too long"
        except OSError as error:
            return f"the download could not be stored: {error.strerror}"
        if self._too_large(number):
            path.unlink(missing_ok=True)
            return TOO_LARGE
        return path

    async def _watch(self, download: Download, number: int) -> None:
        """Break a download off when it has become too large; ends only then."""
        growing = _growing(download)
        while not self._too_large(number):
            await asyncio.sleep(LOOK_S)
            self._sizes[number] = max((_size_of(path) for path in growing), default=0)
        self._broken.add(number)
        with contextlib.suppress(Error):
            await download.cancel()

    def _too_large(self, number: int) -> bool:
        return self._sizes[number] > BYTES_MAX or sum(self._sizes) > ALL_BYTES_MAX

    def _name(self, suggested: str) -> str:
        name = harmless(suggested)
        stem, dot, ending = name.rpartition(".")
        number = 1
        while name in self._names:
            number += 1
            name = f"{stem} ({number}){dot}{ending}" if stem else f"{ending} ({number})"
        self._names.add(name)
        return name


def harmless(suggested: str) -> str:
    """A file name that cannot leave its folder, hide, or be too long."""
    name = suggested.encode("utf-8", "replace").decode()
    name = _HARMFUL.sub("_", name).strip(" .") or "download"
    while len(name.encode()) > NAME_MAX:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[:-1]}{dot}{ending}" if dot and stem and len(ending) < 16 else name[:-1]
    return name


async def _drop(download: Download) -> None:
    """What the browser keeps of it is gone: it was stored, or is not wanted."""
    with contextlib.suppress(Error, TimeoutError):
        async with asyncio.timeout(DROP_S):
            await download.cancel()
            await download.delete()


def _growing(download: Download) -> list[Path]:
    """Where the browser writes it, which the driver knows and does not tell."""
    artifact = getattr(getattr(download, "_impl_obj", None), "_artifact", None)
    path = getattr(artifact, "_initializer", {}).get("absolutePath")
    return [Path(path), Path(f"{path}.crdownload")] if isinstance(path, str) else []


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
