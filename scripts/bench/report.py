"""What a bench hands back, and what has to stand beside a figure for it to be believed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.bench.limits import fsync_seconds

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("aiohttp", "aiosqlite", "msgspec", "structlog", "uvloop")
FSYNCS: Final = 200


class CannotRun(Exception):
    """What the bench measures cannot be had here; the text says what is missing."""


class Options(msgspec.Struct, frozen=True):
    """How to run a bench; `folder` may hold logs that an earlier bench of the same run made."""

    smoke: bool
    rounds: int
    seed: int
    folder: Path

    def size(self, full: int, smoke: int) -> int:
        """A size: the full one, or that of a smoke run."""
        return smoke if self.smoke else full


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float
    p999: float


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One row: `value` and `limit` are medians over the rounds, `ratio` the median of the ratios.

    `rounds` holds the pairs in the order in which they were measured. `cpu_ratio` is the limit's
    CPU time per operation as a share of ours: other work on the machine moves it less.
    """

    name: str
    value: float
    limit: float
    ratio: float
    unit: str
    target: str
    ok: bool
    spread: float
    rounds: list[tuple[float, float]]
    latency_ms: Latency | None = None
    limit_latency_ms: Latency | None = None
    cpu_us_per_op: float | None = None
    limit_cpu_us_per_op: float | None = None
    cpu_ratio: float | None = None
    notes: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.cpu_us_per_op and self.limit_cpu_us_per_op:
            self.cpu_ratio = round(self.limit_cpu_us_per_op / self.cpu_us_per_op, 4)


def percentiles(seconds: Iterable[float]) -> Latency:
    """The percentiles of some durations."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)

    return Latency(p50=at(0.5), p95=at(0.95), p99=at(0.99), p999=at(0.999))


def median_latency(each: Sequence[Latency]) -> Latency:
    """Percentile by percentile, the median over the rounds."""
    return Latency(
        p50=statistics.median(one.p50 for one in each),
        p95=statistics.median(one.p95 for one in each),
        p99=statistics.median(one.p99 for one in each),
        p999=statistics.median(one.p999 for one in each),
    )


def compared(rounds: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The fields of a Result that follow from its rounds of (value, limit)."""
    values = [value for value, _ in rounds]
    middle = statistics.median(values)
    return {
        "value": round(middle, 3),
        "limit": round(statistics.median(limit for _, limit in rounds), 3),
        "ratio": round(statistics.median(value / limit for value, limit in rounds), 4),
        "spread": round((max(values) - min(values)) / middle, 3),
        "rounds": [(round(value, 3), round(limit, 3)) for value, limit in rounds],
    }


def moment(folder: Path) -> tuple[float, float]:
    """The load average and the median fsync in microseconds right now."""
    folder.mkdir(parents=True, exist_ok=True)
    times = fsync_seconds(folder, FSYNCS)
    return round(os.getloadavg()[0], 2), round(statistics.median(times) * 1e6, 1)


def environment(
    options: Options, before: tuple[float, float], after: tuple[float, float]
) -> dict[str, Any]:
    """Machine, versions and conditions of a run."""
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "smoke": options.smoke,
        "seed": options.seed,
        "load_before": before[0],
        "load_after": after[0],
        "fsync_p50_us": [before[1], after[1]],
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "versions": versions,
        "git": _git(),
    }


def _git() -> str:
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def human_lines(result: Result) -> Iterator[str]:
    """The row for people."""
    yield (
        f"{result.name}: {result.value:,.4g} {result.unit}, limit {result.limit:,.4g},"
        f" ratio {result.ratio:.3f} (spread {result.spread:.0%}, by CPU {result.cpu_ratio});"
        f" target {result.target}: {'met' if result.ok else 'MISSED'}"
    )
    for side, latency, cpu in (
        ("service", result.latency_ms, result.cpu_us_per_op),
        ("limit", result.limit_latency_ms, result.limit_cpu_us_per_op),
    ):
        words = "" if cpu is None else f"  {cpu:,.1f} us CPU per op"
        if latency is not None:
            words += f"  p50 {latency.p50} p95 {latency.p95} p99 {latency.p99}"
            words += f" p99.9 {latency.p999} ms"
        if words:
            yield f"  {side:8}{words}"
    for name, note in result.notes.items():
        yield f"  {name}: {note}"
