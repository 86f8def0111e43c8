"""What the disk and SQLite can do at best: the limits that appends are held against."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from eventstore.sqlite.named import sql_text
from eventstore.sqlite.storage import PACKAGE
from eventstore.sqlite.writer import BATCH_OVERHEAD_BYTES, CHECKPOINT_BYTES

SOURCE: Final = Path(__file__).with_name("limits.c")
BLOCK: Final = 4096
# Those of eventstore.sqlite.storage; durability is the same on both sides.
PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
    "PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA trusted_schema = 0;"
    "PRAGMA busy_timeout = 0;"
)
READ: Final = "SELECT position, stream, previous, name, id, body, node FROM commits"
INSERT: Final = "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)"


class Inserted(msgspec.Struct, frozen=True):
    """How long it took to put all rows of a log into a new file, in wall and in CPU time."""

    rows: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


def fsync_seconds(folder: Path, count: int) -> list[float]:
    """How long each of `count` appends of 4 KiB with fdatasync takes (L0)."""
    path = folder / "fsync.probe"
    block = os.urandom(BLOCK)
    times: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return times


def compiled(folder: Path) -> Path | None:
    """The C loop as a program, or None where there is no compiler or no SQLite to link."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = folder / "limits"
    command = [compiler, "-O2", "-o", str(program), str(SOURCE), "-lsqlite3"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return program if done.returncode == 0 else None


def insert_c(program: Path, source: Path, batch: int) -> Inserted:
    """The rows of the log at `source` once more, by a prepared INSERT in C (L1)."""
    target = source.with_name("limit.db")
    arguments = [str(program), str(source), str(target), str(batch), PRAGMAS]
    arguments += [sql_text(PACKAGE, "schema.sql"), str(BATCH_OVERHEAD_BYTES), str(CHECKPOINT_BYTES)]
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=300, check=False)
    finally:
        _remove(target)
    if done.returncode:
        raise RuntimeError(f"limits.c: {done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=Inserted)


def insert_python(source: Path, batch: int) -> Inserted:
    """The same by `executemany` (L2)."""
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as log:
        rows = log.execute(f"{READ} ORDER BY position").fetchall()
    log.close()
    target = source.with_name("limit.db")
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        copy.executescript(PRAGMAS + sql_text(PACKAGE, "schema.sql"))
        began, cpu = time.perf_counter(), time.process_time()
        _insert_batches(copy, rows, batch)
        return Inserted(len(rows), time.perf_counter() - began, time.process_time() - cpu)
    finally:
        copy.close()
        _remove(target)


def _insert_batches(copy: sqlite3.Connection, rows: Sequence[Sequence[bytes]], batch: int) -> None:
    unchecked = 0
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        copy.execute("BEGIN IMMEDIATE")
        copy.executemany(INSERT, part)
        copy.execute("COMMIT")
        unchecked += BATCH_OVERHEAD_BYTES + sum(2 * len(row[5]) for row in part)
        if unchecked > CHECKPOINT_BYTES:
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            unchecked = 0


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
