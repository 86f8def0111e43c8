"""A disk that can lose its power: ext4 on a loop device, shut down without its journal.

It is mounted in the mount namespace of a holder process only, and the loop device goes with the
mount: whatever ends the test ends both. Services started with `LoopDisk.wrapper` see it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

# include/uapi/linux/ext4.h: _IOR('X', 125, __u32), and the flag that leaves the journal unwritten.
EXT4_IOC_SHUTDOWN: Final = 0x8004587D
NO_LOG_FLUSH: Final = 2
# Nothing reaches the disk by itself while a test runs.
OPTIONS: Final = "loop,commit=300,noauto_da_alloc"
IMAGE_BYTES: Final = 96 << 20
TOOLS: Final = ("unshare", "nsenter", "mkfs.ext4", "mount", "umount")
COMMAND_S_MAX: Final = 240
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class LoopDisk:
    """The disk; `folder` is its path inside, `outside` the same seen by the test."""

    def __init__(self, holder: int, image: Path, folder: Path) -> None:
        self.folder = folder
        self.outside = Path(f"/proc/{holder}/root{folder}")
        self.wrapper = ["nsenter", "-t", str(holder), "-m", "--"]
        self._image = image

    def cut(self) -> None:
        """The power goes: what was not synced is gone, and nothing can be written any more."""
        root = os.open(self.outside, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(root, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            pytest.skip(f"this kernel cannot shut the file system down: {error}")
        finally:
            os.close(root)

    def power_on(self) -> None:
        """Mount what the disk holds; nobody may use the disk any more."""
        self._run("umount", str(self.folder))
        self.mount()

    def mount(self) -> None:
        """Mount the disk."""
        self._run("mount", "-t", "ext4", "-o", OPTIONS, str(self._image), str(self.folder))

    def _run(self, *command: str) -> None:
        done = _quietly([*self.wrapper, *command])
        assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def loop_disk(folder: Path) -> Iterator[LoopDisk]:
    """Mount a new disk on `folder`; skips the test where that is not possible."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    for tool in TOOLS:
        if shutil.which(tool, path=_PATH) is None:
            pytest.skip(f"no {tool} here")
    folder.mkdir()
    image = folder.with_name(f"{folder.name}.ext4")
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    made = _quietly(["mkfs.ext4", "-q", "-F", str(image)])
    assert made.returncode == 0, made.stderr.decode()
    command = ["unshare", "-m", "sh", "-c", "echo apart && exec sleep 3600"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=_environment()) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != b"apart\n":
                why = holder.stderr.read().decode().strip()
                pytest.skip(f"no mount namespace here: {why}")
            disk = LoopDisk(holder.pid, image, folder)
            try:
                disk.mount()
            except AssertionError as error:
                pytest.skip(f"no loop devices here: {error}")
            yield disk
        finally:
            holder.kill()


def _quietly(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, env=_environment(), capture_output=True, timeout=COMMAND_S_MAX, check=False
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _PATH}
