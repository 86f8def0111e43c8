"""A long log folded from zero and held against the lists: `scripts/replay.py --check`."""

from __future__ import annotations

import statistics
from typing import Final

from eventstore.sqlite.archive import Archive
from eventstore.sqlite.log import FILE_NAME
from scripts.bench.measured import Run, measured
from scripts.bench.rebuilds import long_log, scan_and_decode
from scripts.bench.report import Options, Result, compared

RATE_MIN: Final = 150_000
PEAK_MIB_MAX: Final = 600


def replay(options: Options) -> Result:
    """The check of the whole log, from the start of its process, against scan and decode alone."""
    folder = long_log(options)
    with Archive(folder) as archive:
        events = archive.size  # each of its commits has one
    runs: list[Run] = []
    limits: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        runs.append(measured("replay", "--data", str(folder), "--check", "--json"))
        limits.append(scan_and_decode(folder / FILE_NAME))
    rates = [events / run.seconds for run in runs]
    found = compared([(rate, limit) for rate, (limit, _) in zip(rates, limits, strict=True)])
    peak_mib = max(run.peak_mib for run in runs)
    return Result(
        name="replay",
        **found,
        unit="events/s",
        target=f">= {RATE_MIN}/s and <= {PEAK_MIB_MAX} MiB",
        ok=found["value"] >= RATE_MIN and peak_mib <= PEAK_MIB_MAX,
        cpu_us_per_op=round(statistics.median(run.cpu_s for run in runs) / events * 1e6, 2),
        limit_cpu_us_per_op=round(statistics.median(cpu for _, cpu in limits) * 1e6, 2),
        notes={
            "limit_is": "scan, decode commit and facts; nothing folded, nothing compared (L4)",
            "events": events,
            "peak_mib": round(peak_mib, 1),
        },
    )
