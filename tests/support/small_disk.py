"""A small disk of its own: a tmpfs in a mount namespace that a holder process keeps.

Services started with `SmallDisk.wrapper` see it; the test reaches it through /proc.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

MOUNT: Final = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec sleep 3600'
BALLAST: Final = "ballast"


class SmallDisk:
    """The disk; `folder` is its path inside, `outside` the same seen by the test."""

    def __init__(self, holder: subprocess.Popen[bytes], folder: Path) -> None:
        self.folder = folder
        self.outside = Path(f"/proc/{holder.pid}/root{folder}")
        enter = ["nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials", "--"]
        self.wrapper = enter

    @property
    def free(self) -> int:
        """Bytes that can still be written."""
        found = os.statvfs(self.outside)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Write a ballast file until only `leave` bytes are free."""
        with (self.outside / BALLAST).open("ab", buffering=0) as ballast:
            left = self.free - leave
            with contextlib.suppress(OSError):
                while left > 0:
                    left -= ballast.write(b"x" * min(left, 1 << 16))

    def relieve(self) -> None:
        """Remove the ballast."""
        (self.outside / BALLAST).unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of `size` on `folder`; skips the test where that is not allowed."""
    for tool in ("unshare", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    folder.mkdir()
    command = ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(folder), size]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != b"mounted\n":
                why = holder.stderr.read().decode().strip()
                pytest.skip(f"no mounts in a user namespace here: {why}")
            yield SmallDisk(holder, folder)
        finally:
            holder.kill()
