"""What leaves the group of a command is found all the same: it becomes a child of the worker."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

from sessions.runtimes.leftovers import stat_of

_BE_A_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_TASKS: Final = Path("/proc/self/task")


def adopt_strays() -> bool:
    """Whoever loses its parent below this process becomes its child; False where that cannot be."""
    try:
        return bool(ctypes.CDLL(None).prctl(_BE_A_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def end_strays(mark: str, known: Container[int]) -> bool:
    """Kill the children that have a variable like `mark`; True if there were any.

    What has ended is reaped. `known` are the children that others look after.
    """
    found = False
    for pid in _children():
        if pid in known:
            continue
        if stat_of(pid)[:1] == ["Z"]:
            _reap(pid)
        elif _has(pid, mark):
            found = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    return found


def _children() -> Iterator[int]:
    for task in _TASKS.iterdir():
        with contextlib.suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _has(pid: int, mark: str) -> bool:
    with contextlib.suppress(OSError):
        return os.fsencode(mark) in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
