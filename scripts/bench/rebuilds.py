"""Views made anew beside the traffic, and how soon the service is there on a long log."""

from __future__ import annotations

import asyncio
import itertools
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from eventstore.commit import Commit
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from projections.events import CODEC
from projections.folds.session import PREFIX
from projections.follower import Follower
from projections.views.store import Views
from scripts.bench.events import Facts, built, collect_as_served, wish
from scripts.bench.processes import service
from scripts.bench.report import (
    ROOT,
    Latency,
    Options,
    Result,
    compared,
    median_latency,
    percentiles,
)
from sessions import ids

RATE_MIN: Final = 100_000
START_S_MAX: Final = 1.5
# A steady trickle of appends: the rebuild is measured, and that it lets others through.
PAUSE_S: Final = 0.005
EVENTS: Final = 1_000_000
EVENTS_SHORT: Final = 1_000
EVENTS_SMOKE: Final = 10_000
PER_SESSION: Final = 10
FETCH: Final = 2_000


class Rebuilt(msgspec.Struct, frozen=True):
    """One rebuild, and the appends beside it."""

    events: int
    seconds: float
    cpu_s: float
    append: Latency
    appends: int


def long_log(options: Options) -> Path:
    """The folder of the log that benches of whole logs share."""
    events = options.size(EVENTS, EVENTS_SMOKE)
    return built(options.folder, options.seed, events // PER_SESSION, events)


def rebuild(options: Options) -> Result:
    """Follower.rebuild of the whole log while appends go on, against scan and decode alone."""
    folder = long_log(options)
    facts = Facts(options.seed)
    runs: list[Rebuilt] = []
    limits: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        runs.append(asyncio.run(_rebuild(folder, facts)))
        limits.append(scan_and_decode(folder / FILE_NAME))
    rates = [run.events / run.seconds for run in runs]
    found = compared([(rate, limit) for rate, (limit, _) in zip(rates, limits, strict=True)])
    return Result(
        name="rebuild",
        **found,
        unit="events/s",
        target=f">= {RATE_MIN}/s while appends go on",
        ok=found["value"] >= RATE_MIN,
        cpu_us_per_op=round(statistics.median(r.cpu_s / r.events for r in runs) * 1e6, 2),
        limit_cpu_us_per_op=round(statistics.median(cpu for _, cpu in limits) * 1e6, 2),
        notes={
            "limit_is": "scan, decode commit and facts; nothing folded, nothing written (L4)",
            "events": runs[0].events,
            "appends_beside": [run.appends for run in runs],
            "append_beside_ms": median_latency([run.append for run in runs]),
        },
    )


async def _rebuild(folder: Path, facts: Facts) -> Rebuilt:
    log = await SqliteLog.open(folder)
    views = await Views.open(folder, log.epoch)
    follower = Follower(log, views)
    await follower.catch_up()
    collect_as_served()
    times: list[float] = []
    beside = [
        asyncio.create_task(follower.run()),
        asyncio.create_task(_trickle(log, facts, times)),
    ]
    try:
        began, cpu = time.perf_counter(), _cpu_seconds()
        await follower.rebuild()
        seconds, used = time.perf_counter() - began, _cpu_seconds() - cpu
        return Rebuilt(log.head().size, seconds, used, percentiles(times or [0.0]), len(times))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await follower.close()
        await views.close()
        await log.close()


async def _trickle(log: SqliteLog, facts: Facts, times: list[float]) -> None:
    stream = ""
    for number in itertools.count():
        if number % PER_SESSION == 0:
            stream = PREFIX + ids.uuid7()
        source = facts.later if number % PER_SESSION else facts.created
        began = time.perf_counter()
        await log.append(wish(stream, source[number % len(source)]))
        times.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_S)


def scan_and_decode(path: Path) -> tuple[float, float]:
    """Events per second and CPU seconds per event of reading the log and nothing else (L4)."""
    decode = msgspec.json.Decoder(Commit).decode
    log = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    began, cpu = time.perf_counter(), time.process_time()
    events = 0
    try:
        cursor = log.execute("SELECT body FROM commits ORDER BY position")
        while rows := cursor.fetchmany(FETCH):
            for (body,) in rows:
                for event in decode(body).events:
                    CODEC.decode(event)
                    events += 1
    finally:
        log.close()
    seconds = time.perf_counter() - began
    return events / seconds, (time.process_time() - cpu) / events


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def start(options: Options) -> Result:
    """From the start of the process to `ready` on a long log, against the same on a short one."""
    long = long_log(options)
    short = built(options.folder, options.seed, EVENTS_SHORT // PER_SESSION, EVENTS_SHORT)
    ready: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []
    stops: list[float] = []
    imports: list[float] = []
    for _ in range(max(options.rounds, options.size(5, 1))):
        imports.append(_import_seconds())
        times = [_start_seconds(folder) for folder in (long, short)]
        ready.append((times[0][0], times[1][0]))
        cpu.append((times[0][1], times[1][1]))
        stops.append(times[0][2])
    found = compared(ready)
    return Result(
        name="start",
        **found,
        unit="s to ready",
        target=f"< {START_S_MAX} s, not growing with the log",
        ok=found["value"] < START_S_MAX,
        cpu_us_per_op=round(statistics.median(c for c, _ in cpu) * 1e6),
        limit_cpu_us_per_op=round(statistics.median(c for _, c in cpu) * 1e6),
        notes={
            "events": options.size(EVENTS, EVENTS_SMOKE),
            "limit_is": f"the same with {EVENTS_SHORT} events",
            "imports_s": round(statistics.median(imports), 3),
            "stop_s": round(statistics.median(stops), 3),
        },
    )


def _start_seconds(folder: Path) -> tuple[float, float, float]:
    """Seconds to ready, CPU seconds of that, seconds from SIGTERM to the end."""
    with service(folder, pinned=False) as server:
        return server.ready_s, server.cpu_s(), server.stop()


def _import_seconds() -> float:
    began = time.perf_counter()
    command = [sys.executable, "-c", "import sessions.cli, sessions.serve"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return time.perf_counter() - began
