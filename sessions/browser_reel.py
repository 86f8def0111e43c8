"""The pictures of one visit on disk, of which there are never too many; blocking."""

from __future__ import annotations

import contextlib
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Final

from sessions.runtimes.browser.port import Frame, Picture

PICTURES_MAX: Final = 1200
BYTES_MAX: Final = 48 << 20
FREE_BYTES_MIN: Final = 512 << 20
"""What the log and the artifacts need comes first."""
_LAST_SHOWN_MS: Final = 1000
_SUFFIX: Final = ".jpg"


class Reel:
    """A folder of pictures, each named by its instant.

    Where there are too many every other one goes, and from then on they are taken half as often:
    the whole visit stays covered, ever more coarsely. The newest is never left out.
    """

    def __init__(
        self, folder: Path, *, pictures_max: int = PICTURES_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self.folder = folder
        self._pictures_max = pictures_max
        self._bytes_max = bytes_max
        self._interval_us = 0
        self._sizes = _sizes(folder)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(self._sizes.values())

    def add(self, frame: Frame) -> None:
        """Take a picture in; raises OSError, also where the disk is nearly full."""
        at = max(frame.at_us, max(self._sizes, default=0) + 1)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free < FREE_BYTES_MIN:
            raise OSError(f"less than {FREE_BYTES_MIN >> 20} MiB of the disk are free")
        replaced = self._replaced(at)
        path = self._path(at)
        try:
            path.write_bytes(frame.jpeg)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._sizes[at] = len(frame.jpeg)
        if replaced is not None:
            self._drop(replaced)
        while len(self._sizes) > self._pictures_max or self.size > self._bytes_max:
            if not self._thin():
                break

    def pictures(self, until_us: int | None = None) -> list[Picture]:
        """All of them, each shown until the next one; the last one until then."""
        ends = sorted(self._sizes)
        if not ends:
            return []
        last = ends[-1] + _LAST_SHOWN_MS * 1000
        ends.append(max(last, until_us or 0))
        return [
            Picture(path=self._path(at), shown_ms=max(1, end // 1000 - at // 1000))
            for at, end in pairwise(ends)
        ]

    def remove(self) -> None:
        """Nothing of it is left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _replaced(self, at: int) -> int | None:
        """The newest one, where it followed so soon on another one that it need not stay."""
        newest = list(self._sizes)[-2:]
        soon = len(newest) == 2 and at - newest[0] < self._interval_us
        return newest[1] if soon else None

    def _thin(self) -> bool:
        """Drop every other one before the newest; False where there is nothing to drop."""
        dropped = list(self._sizes)[-2::-2]
        for at in dropped:
            self._drop(at)
        instants = list(self._sizes)
        mean_us = (instants[-1] - instants[0]) // max(1, len(instants) - 1)
        self._interval_us = max(2 * self._interval_us, mean_us)
        return bool(dropped)

    def _drop(self, at: int) -> None:
        del self._sizes[at]
        with contextlib.suppress(OSError):
            self._path(at).unlink()

    def _path(self, at: int) -> Path:
        return self.folder / f"{at:020}{_SUFFIX}"


def _sizes(folder: Path) -> dict[int, int]:
    """What a service that ran before has left, by instant."""
    found: dict[int, int] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix == _SUFFIX and path.stem.isdecimal():
                found[int(path.stem)] = path.stat().st_size
    return dict(sorted(found.items()))
