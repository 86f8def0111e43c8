"""Durable appends in process, with the views attached and kept up."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from eventstore.commit import START
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from projections.folds.session import PREFIX
from projections.follower import Follower
from projections.views.store import Views
from scripts.bench.events import Facts, collect_as_served, wish
from scripts.bench.limits import Inserted, compiled, fsync_seconds, insert_c, insert_python
from scripts.bench.report import Latency, Options, Result, compared, median_latency, percentiles
from sessions import ids

CLIENTS: Final = 256
BATCH: Final = 256
EVENTS_PER_SESSION: Final = 10
RATE_MIN: Final = 40_000
SHARE_MIN: Final = 0.25
FSYNC_TIMES_MAX: Final = 3.0


class Run(msgspec.Struct, frozen=True):
    """One measured run of appends."""

    events: int
    seconds: float
    cpu_s: float
    latency: Latency

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


@contextlib.asynccontextmanager
async def _opened(folder: Path, *, views: bool) -> AsyncIterator[SqliteLog]:
    async with contextlib.AsyncExitStack() as stack:
        log = await SqliteLog.open(folder)
        stack.push_async_callback(log.close)
        if views:
            found = await Views.open(folder, log.epoch)
            stack.push_async_callback(found.close)
            follower = Follower(log, found)
            await follower.catch_up()
            stack.push_async_callback(follower.close)
            task = asyncio.create_task(follower.run())
            stack.callback(task.cancel)
        yield log


async def _client(log: SqliteLog, facts: Facts, events: int, times: list[float]) -> None:
    """Sessions one after the other: created, then changed at the position it is known to be at."""
    clock = time.perf_counter
    created, later = facts.created, facts.later
    stream, at = "", START
    for number in range(events):
        if number % EVENTS_PER_SESSION == 0:
            stream, at = PREFIX + ids.uuid7(), START
            event = created[number % len(created)]
        else:
            event = later[number % len(later)]
        began = clock()
        commit = await log.append(wish(stream, event, at))
        times.append(clock() - began)
        at = commit.position


async def _measure(folder: Path, facts: Facts, clients: int, events: int, *, views: bool) -> Run:
    async with _opened(folder, views=views) as log:
        times: list[float] = []
        cpu = _cpu_seconds()
        began = time.perf_counter()
        each = [_client(log, facts, events // clients, times) for _ in range(clients)]
        await asyncio.gather(*each)
        seconds = time.perf_counter() - began
        return Run(len(times), seconds, _cpu_seconds() - cpu, percentiles(times))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _limit(program: Path | None, source: Path) -> Inserted:
    if program is not None:
        return insert_c(program, source, BATCH)
    return insert_python(source, BATCH)


def append(options: Options) -> Result:
    """256 concurrent appends against a bare insert loop; one client against a bare fsync."""
    facts = Facts(options.seed)
    collect_as_served()
    events = options.size(100_000, 5_000)
    folder = options.folder / "append"
    folder.mkdir(parents=True)
    program = compiled(folder)
    runs: list[Run] = []
    limits: list[Inserted] = []
    alone: list[Run] = []
    python: list[Inserted] = []
    for number in range(options.rounds):
        for views in (True, False):
            place = folder / f"{number}-{views}"
            run = asyncio.run(_measure(place, facts, CLIENTS, events, views=views))
            (runs if views else alone).append(run)
            if views:
                limits.append(_limit(program, place / FILE_NAME))
                python.append(insert_python(place / FILE_NAME, BATCH))
            shutil.rmtree(place)
    single, bare = _single(options, facts, folder)
    shutil.rmtree(folder)
    found = compared([(run.rate, limit.rate) for run, limit in zip(runs, limits, strict=True)])
    times = single.p50 / bare.p50
    fast = found["value"] >= RATE_MIN or found["ratio"] >= SHARE_MIN
    return Result(
        name="append",
        **found,
        unit="events/s",
        target=f">= {RATE_MIN}/s or ratio >= {SHARE_MIN}; 1 client p50 <= {FSYNC_TIMES_MAX} fsyncs",
        ok=fast and times <= FSYNC_TIMES_MAX,
        latency_ms=median_latency([run.latency for run in runs]),
        cpu_us_per_op=_cpu_us([run.cpu_s / run.events for run in runs]),
        limit_cpu_us_per_op=_cpu_us([limit.cpu_s / limit.rows for limit in limits]),
        notes={
            "limit_is": "C" if program else "executemany: no C compiler with sqlite3.h here",
            "durability": "FULL on both sides",
            "executemany_per_s": round(statistics.median(one.rate for one in python)),
            "log_only_per_s": round(statistics.median(one.rate for one in alone)),
            "log_only_cpu_us": _cpu_us([one.cpu_s / one.events for one in alone]),
            "one_client_ms": single,
            "bare_fsync_ms": bare,
            "one_client_fsyncs": round(times, 2),
        },
    )


def _single(options: Options, facts: Facts, folder: Path) -> tuple[Latency, Latency]:
    count = options.size(1_000, 100)
    singles: list[Latency] = []
    bares: list[Latency] = []
    for number in range(options.rounds):
        place = folder / f"single-{number}"
        singles.append(asyncio.run(_measure(place, facts, 1, count, views=True)).latency)
        bares.append(percentiles(fsync_seconds(folder, count)))
        shutil.rmtree(place)
    return median_latency(singles), median_latency(bares)


def _cpu_us(each: list[float]) -> float:
    return round(statistics.median(each) * 1e6, 2)
