"""Any past state: of one session, and of the whole fleet, on a long log with its snapshots."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.commit import Commit, Position
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from projections.folds.session import Session
from projections.history import History
from projections.snapshots import FILE_NAME as SNAPSHOTS_FILE
from projections.snapshots import Snapshots
from projections.snapshotting import EVERY, Snapshotting
from projections.subjects import SESSION
from scripts.bench.events import built, collect_as_served
from scripts.bench.report import Latency, Options, Result, compared, percentiles

FLEET_S_MAX: Final = 1.0
ONE_MS_MAX: Final = 5.0
EVENTS: Final = 1_000_000
EVENTS_SMOKE: Final = 10_000
SESSIONS: Final = 10_000
SESSIONS_SMOKE: Final = 100
EVERY_SMOKE: Final = 2_000
ONE_EVENTS: Final = 1_000
ONES: Final = 1_000
ONES_SMOKE: Final = 50
FLEETS: Final = 4
FETCH: Final = 2_000
_COUNTS: Final = "SELECT stream, count(*) AS commits FROM commits GROUP BY stream"


class Round(msgspec.Struct, frozen=True):
    """The slowest fleet of a round and its limit in seconds, with the CPU time of both."""

    fleet_s: float
    fleet_cpu_s: float
    limit_s: float
    limit_cpu_s: float
    one: list[float]
    one_limit: list[float]
    one_unaided: list[float]


def asof(options: Options) -> Result:
    """The fleet just before a snapshot and at chance positions; sessions of 1,000 events."""
    every = options.size(EVERY, EVERY_SMOKE)
    sessions = options.size(SESSIONS, SESSIONS_SMOKE)
    folder = built(options.folder, options.seed, sessions, options.size(EVENTS, EVENTS_SMOKE))
    notes = asyncio.run(_snapshots(folder, every))
    rounds = [asyncio.run(_round(folder, options, every)) for _ in range(options.rounds)]
    found = compared([(one.fleet_s, one.limit_s) for one in rounds])
    one = percentiles([time for each in rounds for time in each.one])
    return Result(
        name="asof",
        **found,
        unit=f"s for {sessions} sessions",
        target=f"<= {FLEET_S_MAX:g} s; one of {ONE_EVENTS} events p99 <= {ONE_MS_MAX:g} ms",
        ok=found["value"] <= FLEET_S_MAX and one.p99 <= ONE_MS_MAX,
        latency_ms=one,
        limit_latency_ms=percentiles([time for each in rounds for time in each.one_limit]),
        cpu_us_per_op=round(statistics.median(each.fleet_cpu_s for each in rounds) * 1e6),
        limit_cpu_us_per_op=round(statistics.median(each.limit_cpu_s for each in rounds) * 1e6),
        notes={
            "limit_is": "read and decode the same commits and states, nothing folded; "
            "for one session all of its commits",
            "value_is": f"the slowest of {FLEETS} fleets, one of them just before a snapshot",
            "one_without_snapshots_ms": _unaided(rounds),
            "share_of_the_log": round(_size(folder, SNAPSHOTS_FILE) / _size(folder, FILE_NAME), 3),
            **notes,
        },
    )


def _unaided(rounds: Sequence[Round]) -> Latency:
    return percentiles([time for each in rounds for time in each.one_unaided])


async def _snapshots(folder: Path, every: int) -> dict[str, Any]:
    """Make the snapshots as the service does, but for its rests."""
    log = await SqliteLog.open(folder)
    snapshots = Snapshots(folder, log.epoch)
    try:
        await snapshots.open(log.size)
        began = time.process_time()
        making = Snapshotting(log, snapshots, _fail, every=every, rest=0)
        await making.catch_up()
        return {
            "snapshots": len(snapshots.positions),
            "snapshots_cpu_s": round(time.process_time() - began, 2),
        }
    finally:
        await snapshots.close()
        await log.close()


def _size(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size


def _fail(error: Exception) -> None:
    raise error


async def _round(folder: Path, options: Options, every: int) -> Round:
    source = random.Random(options.seed)
    log = await SqliteLog.open(folder)
    snapshots = Snapshots(folder, log.epoch)
    await snapshots.open(log.size)
    collect_as_served()
    try:
        positions = [Position(log.size - log.size % every - 1)]
        positions += [Position(source.randrange(1, log.size + 1)) for _ in range(FLEETS - 1)]
        fleets = [await _fleet(log, snapshots, position) for position in positions]
        slowest = max(fleets)
        limit = _fleet_limit(folder, positions[fleets.index(slowest)], every)
        asked = _asked(folder, source, options.size(ONES, ONES_SMOKE), log.size)
        aided = History(log, snapshots)
        alone = History(log, Snapshots(folder, log.epoch))
        return Round(
            *slowest,
            *limit,
            one=[await _one(aided, *each) for each in asked],
            one_limit=_one_limit(folder, asked),
            one_unaided=[await _one(alone, *each) for each in asked],
        )
    finally:
        await snapshots.close()
        await log.close()


async def _fleet(log: SqliteLog, snapshots: Snapshots, position: Position) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    fleet = await History(log, snapshots).fleet(position)
    states = 0
    async for page in fleet.newest(SESSION):
        states += len(page)
    assert states
    return time.perf_counter() - began, time.process_time() - cpu


def _fleet_limit(folder: Path, position: Position, every: int) -> tuple[float, float]:
    """Seconds for what any answer must read: the commits since the snapshot, and every state."""
    commit, state = msgspec.json.Decoder(Commit).decode, msgspec.json.Decoder(Session).decode
    snapshot = position - position % every
    began, cpu = time.perf_counter(), time.process_time()
    with closing(_read_only(folder / FILE_NAME)) as log:
        sql = "SELECT body FROM commits WHERE position > ? AND position <= ?"
        cursor = log.execute(sql, (snapshot, position))
        while rows := cursor.fetchmany(FETCH):
            for (body,) in rows:
                commit(body)
    with closing(_read_only(folder / "views.db")) as views:
        cursor = views.execute("SELECT state FROM sessions WHERE created <= ?", (position,))
        while rows := cursor.fetchmany(FETCH):
            for (text,) in rows:
                state(text)
    return time.perf_counter() - began, time.process_time() - cpu


def _asked(
    folder: Path, source: random.Random, count: int, size: Position
) -> list[tuple[str, Position]]:
    """The streams with about so many events, each with a chance position."""
    with closing(_read_only(folder / FILE_NAME)) as log:
        sql = f"SELECT stream FROM ({_COUNTS}) ORDER BY abs(commits - ?) LIMIT 10"
        streams = log.execute(sql, (ONE_EVENTS,)).fetchall()
        sql = "SELECT name FROM commits WHERE position = ?"
        names = [log.execute(sql, stream).fetchone()[0] for stream in streams]
    return [(source.choice(names), Position(source.randrange(1, size + 1))) for _ in range(count)]


async def _one(history: History, stream: str, position: Position) -> float:
    began = time.perf_counter()
    await history.state(stream, position)
    return time.perf_counter() - began


def _one_limit(folder: Path, asked: Sequence[tuple[str, Position]]) -> list[float]:
    decode = msgspec.json.Decoder(Commit).decode
    times = []
    with closing(_read_only(folder / FILE_NAME)) as log:
        sql = (
            "SELECT body FROM commits WHERE stream = (SELECT position FROM commits WHERE name = ?)"
            " AND position <= ? ORDER BY previous"
        )
        for each in asked:
            began = time.perf_counter()
            for (body,) in log.execute(sql, each):
                decode(body)
            times.append(time.perf_counter() - began)
    return times


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
