"""Folders of sockets outside of data folders: who lives holds its own, those of the dead go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from sessions.runtimes.leftovers import tag_of

_PROC: Final = Path("/proc")
_OPENED: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_TAKE_S: Final = 5.0
_POLL_S: Final = 0.01


def folder_outside(data: Path) -> Path:
    """Where the sockets of browsers of this data folder are, if its own path is too long."""
    return Path(tempfile.gettempdir()) / f"{_prefix()}{tag_of(data)}"


class Held:
    """A folder that no other service removes; the kernel lets go of it when its holder dies."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._descriptor = -1

    def take(self, folder: Path) -> None:
        """Have the folder, for this user alone; may be repeated. Raises OSError. Blocks."""
        until = time.monotonic() + _TAKE_S
        with self._turn:
            # Another service may have taken it for a dead one's just before it was locked.
            while not self._has(folder):
                self._let_go()
                try:
                    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._descriptor = os.open(folder, _OPENED)
                    fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except (BlockingIOError, FileNotFoundError):
                    self._let_go()
                    if time.monotonic() > until:
                        raise
                    time.sleep(_POLL_S)

    def release(self) -> None:
        """Whoever sweeps may remove it; may be repeated."""
        with self._turn:
            self._let_go()

    def _has(self, folder: Path) -> bool:
        if self._descriptor < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), folder.stat())
        except FileNotFoundError:
            return False

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def sweep_outside() -> int:
    """Remove such folders of this user that nobody holds or uses; how many. Blocks."""
    name = re.compile(rf"{re.escape(_prefix())}[0-9a-f]{{8}}")
    with contextlib.suppress(OSError):
        places = sorted(Path(tempfile.gettempdir()).iterdir())
        return sum(_removed(place) for place in places if name.fullmatch(place.name))
    return 0


def _prefix() -> str:
    return f"sessiond-{os.geteuid()}-"


def _removed(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, _OPENED)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _used(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return not folder.exists()


def _used(folder: Path) -> bool:
    """True where a browser that outlived its service has its sockets there."""
    inside = b"TMPDIR=" + os.fsencode(folder) + b"/"
    for place in _PROC.iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                words = (place / "environ").read_bytes().split(b"\0")
                if any(word.startswith(inside) for word in words):
                    return True
    return False
