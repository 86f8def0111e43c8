"""The programs of the host that machines need, and the Debian packages that bring them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

QEMU: Final = "qemu-system-x86_64"

TO_RUN: Final = {QEMU: "qemu-system-x86", "setpriv": "util-linux"}
TO_BUILD: Final = {
    "mkfs.erofs": "erofs-utils",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
}
TO_DOWNLOAD: Final = {"apt-get": "apt", "apt-cache": "apt"}

# An ordinary user's PATH seldom has the folders where Debian puts the makers of file systems.
_ALSO: Final = ("/usr/sbin", "/sbin")
_DEADLINE_S: Final = 600.0


def path_of(program: str) -> str | None:
    """Where a program is, or None."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_ALSO]
    return shutil.which(program, path=os.pathsep.join(folders))


def missing(programs: Iterable[str]) -> list[str]:
    """Those of the programs that are not there."""
    return [program for program in programs if path_of(program) is None]


def packages_of(programs: Iterable[str]) -> list[str]:
    """The Debian packages that bring these programs, each once."""
    known = {**TO_RUN, **TO_BUILD, **TO_DOWNLOAD}
    return list(dict.fromkeys(known[program] for program in programs))


def run_tool(
    command: Sequence[str],
    error: type[Exception],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a program printed; raises `error` with its last words where it fails. Blocks."""
    path = path_of(command[0])
    if path is None:
        raise error(f"there is no {command[0]}")
    try:
        done = subprocess.run(
            [path, *command[1:]],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DEADLINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise error(f"{command[0]}: {failure}") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise error(f"{command[0]} failed with {done.returncode}: {' '.join(words)}")
    return done.stdout
