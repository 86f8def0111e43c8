"""What the processes of a verification are told to do, and what they tell."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final, Literal

import msgspec

from eventstore.testimony import Sources
from eventstore.verification import Finding, Segment, Verified

_STATUS: Final = Path("/proc/self/status")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to do: check rows, or what SQLite itself says of the file, or all of it."""

    work: Literal["rows", "indexes", "all"]
    path: str
    after: int = 0
    until: int = 0
    sources: Sources = Sources()


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: how far it is, or at the end the result or why there is none."""

    position: int = 0
    size: int = 0
    segment: Segment | None = None
    findings: list[Finding] | None = None
    verified: Verified | None = None
    error: str | None = None
    memory_bytes: int = 0

    @property
    def last(self) -> bool:
        """True for the line after which none comes."""
        return bool(self.memory_bytes)


def memory_bytes_max() -> int:
    """The most memory that this process has held at once."""
    try:
        # Not getrusage, which on Linux begins with what the parent held at the fork.
        lines = _STATUS.read_text("ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
