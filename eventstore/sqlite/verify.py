"""A verification, or a part of one, as a process of its own: `python -m eventstore.sqlite.verify`.

It reads one line of JSON, the task, tells its progress in lines of JSON and ends with its result.
It ends by itself when nobody reads what it tells, so that it never outlives who started it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from eventstore.errors import EventStoreError
from eventstore.sqlite.checking import check_indexes, check_rows
from eventstore.sqlite.parts import Task, Told, memory_bytes_max
from eventstore.sqlite.verifying import Ask, verify

TELL_S: Final = 0.05
UNHEARD: Final = 3
"""The exit code where nobody listened."""
NICER: Final = 10
"""How far a whole verification, which runs beside a service, steps back for others."""


def main() -> None:
    """Do the task on stdin."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    try:
        _tell(_done(task))
    except BrokenPipeError:
        # Else Python tries once more to write at its exit, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNHEARD)


def _done(task: Task) -> Told:
    progress = Progress()
    path = Path(task.path)
    try:
        match task.work:
            case "rows":
                part = check_rows(path, task.after, task.until, progress.tell, alone=False)
                return Told(segment=part, memory_bytes=memory_bytes_max())
            case "indexes":
                found = check_indexes(path, progress.tell)
                return Told(findings=found, memory_bytes=memory_bytes_max())
            case "all":
                os.nice(NICER)
                verified = verify(Ask(path=path, sources=task.sources), progress.tell)
                return Told(verified=verified, memory_bytes=memory_bytes_max())
    except BrokenPipeError:
        raise
    except (EventStoreError, OSError) as error:
        return Told(error=str(error), memory_bytes=memory_bytes_max())


class Progress:
    """Tells at most every TELL_S how far the work is."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def tell(self, position: int, size: int = 0) -> None:
        """Raises BrokenPipeError where nobody listens any more."""
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            _tell(Told(position=position, size=size))


def _tell(told: Told) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
