"""A whole verification of a log file: its rows, its tree, its indexes, and the heads of it."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import msgspec

from eventstore.errors import StorageError
from eventstore.merkle import Tree, frontier_positions
from eventstore.sqlite.archive import log_file
from eventstore.sqlite.checking import (
    UNREADABLE,
    check_format,
    check_frame,
    check_indexes,
    check_rows,
    damage,
    last_position,
    node_at,
    opened,
)
from eventstore.sqlite.parts import Task, Told, memory_bytes_max
from eventstore.testimony import Sources
from eventstore.verification import PAGE, Finding, Segment, Verified, joined, judged

ROOT: Final = Path(__file__).resolve().parents[2]
ALONE_MAX: Final = 50_000
"""A shorter log is checked sooner than a process is started."""
PROCESSES_MAX: Final = 8
ROW_BYTES_MIN: Final = 128
"""A file has at most as many commits as this goes into it."""
NODES_KEPT: Final = 4096
_END_S_MAX: Final = 5.0

Advance = Callable[[int, int], None]
"""Told how many commits are checked, and of how many."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify: the log at `path`, against the heads in `sources`.

    `processes` share the work; 0: none but this one.
    """

    path: Path
    sources: Sources = Sources()
    indexes: bool = True
    processes: int = 0


def verify(ask: Ask, advance: Advance) -> Verified:
    """Verify the log; raises LogMissing, LogFormatError, StorageError, BadCheckpoint or OSError."""
    began = time.monotonic()
    file = log_file(ask.path)
    with opened(file) as connection:
        around = check_format(connection, file)
        try:
            epoch, frame = check_frame(connection)
            # Before the size is looked up: a service that runs writes heads of what comes later.
            heads, findings = ask.sources.of(epoch)
            size = last_position(connection)
            torn = bool(around)
        except UNREADABLE as error:
            frame = [Finding(subject="file", what=damage(error))]
            epoch, heads, findings = "", [], []
            size, torn = file.stat().st_size // ROW_BYTES_MIN, True
        segments, indexes, memory = _checked(ask, file, size, advance, torn=torn)
        reached, fault = joined(segments, size)
        vouched, against = judged(heads, size, reached, _roots(connection))
        found = [*([fault] if fault else []), *findings, *against, *around, *frame, *indexes]
        return Verified(
            holds=not found,
            file=str(file),
            epoch=epoch,
            size=reached if torn else size,
            root=_roots(connection)(size).hex() if reached == size else "",
            position=reached,
            vouched=vouched,
            heads=len(heads),
            key=ask.sources.vkey,
            key_from=ask.sources.key_from,
            indexes=ask.indexes,
            findings=found,
            seconds=round(time.monotonic() - began, 3),
            memory_bytes_max=memory_bytes_max() + memory,
        )


def _roots(connection: sqlite3.Connection) -> Callable[[int], bytes]:
    """The roots at sizes up to where the stored hashes were found to be right."""
    node = lru_cache(NODES_KEPT)(lambda position: node_at(connection, position))

    def root(size: int) -> bytes:
        return Tree(size, [node(position) for position in frontier_positions(size)]).root()

    return root


def _checked(
    ask: Ask, file: Path, size: int, advance: Advance, *, torn: bool
) -> tuple[list[Segment], list[Finding], int]:
    """The parts of the check, and how much memory other processes took for them."""
    if ask.processes and size > ALONE_MAX and not torn:
        return _beside(ask, file, size, advance)

    def told(position: int) -> None:
        advance(position, size)

    rows = check_rows(file, 0, size, told, alone=True, torn=torn)
    indexes = check_indexes(file, lambda _: advance(size, size)) if ask.indexes else []
    return [rows], indexes, 0


def _beside(
    ask: Ask, file: Path, size: int, advance: Advance
) -> tuple[list[Segment], list[Finding], int]:
    """The parts in processes of their own, all at once."""
    tasks = [
        Task(work="rows", path=str(file.absolute()), after=after, until=until)
        for after, until in ranges(size, min(ask.processes, PROCESSES_MAX))
    ]
    if ask.indexes:
        tasks.append(Task(work="indexes", path=str(file.absolute())))
    lines: SimpleQueue[tuple[int, Told]] = SimpleQueue()
    done: dict[int, Told] = {}
    reached = [task.after for task in tasks]
    with ExitStack() as stack:
        # One seed for all, so that their hashes of names can be compared; nobody else knows it.
        seed = str(secrets.randbelow(2**32))
        for number, task in enumerate(tasks):
            stack.enter_context(_process(number, task, seed, lines))
        while len(done) < len(tasks):
            number, told = lines.get()
            if told.error is not None:
                raise StorageError(told.error)
            if told.last:
                done[number] = told
            reached[number] = max(reached[number], told.position)
            advance(sum(at - task.after for at, task in zip(reached, tasks, strict=True)), size)
    results = [done[number] for number in range(len(tasks))]
    segments = [told.segment for told in results if told.segment is not None]
    indexes = [finding for told in results for finding in told.findings or []]
    return segments, indexes, sum(told.memory_bytes for told in results)


def ranges(size: int, parts: int) -> list[tuple[int, int]]:
    """`size` rows in about as many equal ranges, each beginning with a page."""
    pages = -(-size // PAGE)
    ends = [min(size, pages * part // parts * PAGE) for part in range(parts + 1)]
    return [(after, until) for after, until in pairwise(ends) if after < until]


@contextmanager
def _process(
    number: int, task: Task, seed: str, lines: SimpleQueue[tuple[int, Told]]
) -> Iterator[None]:
    """A process that does `task` and whose lines go to `lines`; it ends with the block."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "eventstore.sqlite.verify"],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin as stdin:
        stdin.write(msgspec.json.encode(task) + b"\n")
        stdin.close()
        reader = Thread(target=_read, args=(number, process, lines), daemon=True)
        reader.start()
        try:
            yield
        finally:
            process.kill()
            reader.join(_END_S_MAX)


def _read(
    number: int, process: subprocess.Popen[bytes], lines: SimpleQueue[tuple[int, Told]]
) -> None:
    told = Told()
    assert process.stdout is not None
    for line in process.stdout:
        told = msgspec.json.decode(line, type=Told)
        lines.put((number, told))
    if not told.last:
        lines.put((number, Told(error="a process of the verification ended before it was done")))
