"""A whole verification of a long log, against reading it once and hashing every body."""

from __future__ import annotations

import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from eventstore.sqlite.log import FILE_NAME
from eventstore.verification import Verified
from scripts.bench.events import built
from scripts.bench.rebuilds import EVENTS, EVENTS_SMOKE, PER_SESSION
from scripts.bench.report import ROOT, Options, Result, compared

RATIO_MIN: Final = 0.5
SCRIPT: Final = ROOT / "scripts" / "verify.py"


def verify_log(options: Options) -> Result:
    """Every commit, column and hash, gaps and the root, by scripts/verify.py without indexes."""
    events = options.size(EVENTS, EVENTS_SMOKE)
    folder = built(options.folder, options.seed, events // PER_SESSION, events)
    pairs: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []
    whole: list[float] = []
    memory: list[int] = []
    for _ in range(options.rounds):
        verified, used = _verified(folder, "--no-indexes")
        seconds, limit_cpu = _scan_and_hash(folder / FILE_NAME)
        full, _ = _verified(folder)
        pairs.append((events / verified.seconds, events / seconds))
        cpu.append((used / events * 1e6, limit_cpu / events * 1e6))
        whole.append(round(seconds / full.seconds, 3))
        memory.append(full.memory_bytes_max >> 20)
    found = compared(pairs)
    return Result(
        name="verify",
        **found,
        unit="events/s",
        target=f">= {RATIO_MIN} of the limit",
        ok=found["ratio"] >= RATIO_MIN,
        cpu_us_per_op=round(statistics.median(ours for ours, _ in cpu), 3),
        limit_cpu_us_per_op=round(statistics.median(limit for _, limit in cpu), 3),
        notes={
            "limit_is": "sqlite3 cursor over position and body, SHA-256 of each, one process",
            "events": events,
            "processes": os.cpu_count(),
            "ratio_with_indexes_too": whole,
            "memory_mib_max_all_processes": memory,
        },
    )


def _verified(folder: Path, *options: str) -> tuple[Verified, float]:
    """What the script found, and the CPU seconds that it took with all its processes."""
    before = _cpu_seconds()
    command = [sys.executable, str(SCRIPT), "--data", str(folder), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"the log of the bench does not hold: {done.stdout}{done.stderr}")
    return msgspec.json.decode(done.stdout, type=Verified), _cpu_seconds() - before


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _scan_and_hash(path: Path) -> tuple[float, float]:
    log = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    began, cpu = time.perf_counter(), time.process_time()
    try:
        for _, body in log.execute("SELECT position, body FROM commits ORDER BY position"):
            sha256(body).digest()
    finally:
        log.close()
    return time.perf_counter() - began, time.process_time() - cpu
