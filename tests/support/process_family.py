"""All that a process has started, also after it died: whoever of them still runs was left behind.

A process whose parent dies becomes another's child, so the family is noted while it is whole; what
came between two looks is found by the folder that it names.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")


class Relative(NamedTuple):
    """A process; its start tells it from another one that has its id later."""

    pid: int
    started: str
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        """The name of what it runs."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def runs(self) -> bool:
        """True until it has ended, also where nobody has asked for its exit code yet."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.started and found[2] not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, where it still runs."""
        with contextlib.suppress(ProcessLookupError):  # it may end in between
            if self.runs:
                os.kill(self.pid, number)


class Family:
    """A process and what it started; `data` is the folder that only they name."""

    def __init__(self, pid: int, data: Path) -> None:
        self._pid = pid
        self._data = str(data)
        self._seen: set[Relative] = set()

    def note(self) -> set[Relative]:
        """Whoever belongs to it now."""
        parents = {pid: found[0] for pid in _pids() if (found := _stat(pid)) is not None}
        members = {self._pid}
        while more := {pid for pid, parent in parents.items() if parent in members} - members:
            members |= more
        members -= {self._pid}
        members |= {pid for pid in parents if any(self._data in word for word in _words(pid))}
        members -= {self._pid, os.getpid()}
        now = {relative for pid in members if (relative := _relative(pid)) is not None}
        self._seen |= now
        return now

    def left(self) -> list[Relative]:
        """Whoever was ever noted and still runs, the process itself left out."""
        self.note()
        return sorted(relative for relative in self._seen if relative.runs)

    def browsers(self) -> list[Relative]:
        """The processes of Chromium that have the others."""
        found = [one for one in self._running("chrom") if not _has(one, "--type=")]
        # A child looks like it until it runs a program of its own.
        young = {one.pid for one in found if _parent(one.pid) in {other.pid for other in found}}
        # The handler of its crashes is named like it.
        return [one for one in found if "crashpad" not in one.program and one.pid not in young]

    def tabs(self) -> list[Relative]:
        """The processes in which pages run."""
        return [one for one in self._running("chrom") if "--type=renderer" in one.words]

    def drivers(self) -> list[Relative]:
        """The processes through which the service speaks to Chromium."""
        return self._running("node")

    def _running(self, name: str) -> list[Relative]:
        return sorted(one for one in self.note() if name in one.program and one.runs)


def _has(relative: Relative, start: str) -> bool:
    return any(word.startswith(start) for word in relative.words)


def _pids() -> list[int]:
    return [int(place.name) for place in _PROC.iterdir() if place.name.isdigit()]


def _stat(pid: int) -> tuple[int, str, str] | None:
    """Parent, start and state; None for a process that is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in brackets and may hold anything.
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), fields[19], fields[0]


def _parent(pid: int) -> int:
    found = _stat(pid)
    return 0 if found is None else found[0]


def _words(pid: int) -> tuple[str, ...]:
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    # Chromium writes its command line anew, with spaces, in some of its processes.
    words = line.rstrip(b"\0").split(b"\0")
    if len(words) == 1:
        words = words[0].split(b" ")
    return tuple(word.decode(errors="replace") for word in words)


def _relative(pid: int) -> Relative | None:
    found = _stat(pid)
    return None if found is None else Relative(pid, found[1], _words(pid))
