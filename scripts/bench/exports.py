"""A long log written as JSON Lines: `scripts/export.py`, as a process from start to end."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

from eventstore.sqlite.log import FILE_NAME
from scripts.bench.events import built
from scripts.bench.measured import Run, measured
from scripts.bench.rebuilds import EVENTS, PER_SESSION, long_log, scan_and_decode
from scripts.bench.report import Options, Result, compared

RATE_MIN: Final = 100_000
# A log ten times as long may take this much more memory: what varies from run to run.
GROWTH_MIB_MAX: Final = 16
FORMS: Final = ("jsonl", "csv", "parquet")
SMALLER: Final = 10


def export(options: Options) -> Result:
    """JSON Lines against scan and decode alone; the other forms are measured once, beside it."""
    folder = long_log(options)
    events = options.size(EVENTS, EVENTS // 100)
    runs: list[Run] = []
    rounds: list[tuple[float, float]] = []
    limit_cpu: list[float] = []
    for _ in range(options.rounds):
        runs.append(_exported(folder, "jsonl"))
        limit, cpu = scan_and_decode(folder / FILE_NAME)
        limit_cpu.append(cpu)
        rounds.append((events / runs[-1].seconds, limit))
    others = {form: _exported(folder, form) for form in FORMS[1:]}
    short = _exported(_shorter(options, events // SMALLER), "jsonl")
    found = compared(rounds)
    peak = max(run.peak_mib for run in runs)
    return Result(
        name="export",
        **found,
        unit="events/s",
        target=f">= {RATE_MIN}/s in constant memory",
        ok=found["value"] >= RATE_MIN and peak - short.peak_mib <= GROWTH_MIB_MAX,
        cpu_us_per_op=round(statistics.median(run.cpu_s for run in runs) / events * 1e6, 2),
        limit_cpu_us_per_op=round(statistics.median(limit_cpu) * 1e6, 2),
        notes={
            "limit_is": "scan, decode commit and facts; nothing written (L4)",
            "events": events,
            "peak_mib": round(peak, 1),
            "peak_mib_of_a_tenth": round(short.peak_mib, 1),
            **{f"{form}_per_s": round(events / run.seconds) for form, run in others.items()},
            **{f"{form}_peak_mib": round(run.peak_mib, 1) for form, run in others.items()},
        },
    )


def _shorter(options: Options, events: int) -> Path:
    return built(options.folder, options.seed, events // PER_SESSION, events)


def _exported(folder: Path, form: str) -> Run:
    target = folder / f"export.{form}"
    try:
        return measured("export", "--data", str(folder), "--to", str(target), "--json")
    finally:
        target.unlink(missing_ok=True)
