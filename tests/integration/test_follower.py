"""Rows of the views are written at leisure, and at once when a reader waits for them."""

import asyncio
import contextlib

from msgspec.structs import replace

from eventstore.sqlite.log import SqliteLog
from projections import follower as module
from projections.events import CODEC
from projections.events.session import SessionCreated
from projections.follower import ROWS_AT_LEISURE, Follower
from projections.views.store import Views
from tests.support.logs import Clock, wish
from tests.support.process import eventually

SESSIONS = 2 * ROWS_AT_LEISURE + 10
LONG_S = 1000.0
PATIENCE_S = 60.0


class Watched(Follower):
    """Tells how many rows each write had, and rests for as long as the test wants."""

    def __init__(self, log, views):
        super().__init__(log, views)
        self.writes = []
        self.rests = 0
        self.rest_s = 0.0
        self._write_rows, views.write = views.write, self._counted

    async def _counted(self, rows, *more):
        self.writes.append(sum(map(len, rows.values())))
        await self._write_rows(rows, *more)

    async def _rest(self, seconds):
        self.rests += 1
        await super()._rest(self.rest_s)


@contextlib.asynccontextmanager
async def following(folder):
    log = await SqliteLog.open(folder, clock_us=Clock())
    views = await Views.open(folder, log.epoch)
    follower = Watched(log, views)
    await follower.catch_up()
    running = asyncio.create_task(follower.run())
    try:
        yield log, follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await views.close()
        await log.close()


async def create(log, count):
    """So many sessions, in one batch of the log."""
    fact = SessionCreated(
        kind="vm", dialect="native", owner="o", status="running", max_duration_s=60
    )
    events = (CODEC.encode(fact),)
    wishes = [replace(wish(f"session/{number}"), events=events) for number in range(count)]
    await asyncio.gather(*map(log.append, wishes))


async def test_where_nobody_waits_rows_go_a_few_at_a_time_with_rests(tmp_path):
    async with following(tmp_path) as (log, follower):
        await create(log, SESSIONS)
        await eventually(lambda: follower.lag == 0, PATIENCE_S, "the views at the end of the log")
        assert follower.writes == [ROWS_AT_LEISURE, ROWS_AT_LEISURE, 10]
        assert follower.rests == 2


async def test_a_reader_who_waits_gets_all_rows_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GATHER_S", LONG_S)
    async with following(tmp_path) as (log, follower):
        await create(log, SESSIONS)
        async with asyncio.timeout(PATIENCE_S):
            assert await follower.reached(log.size) == SESSIONS
        assert (follower.writes, follower.rests) == ([SESSIONS], 0)


async def test_a_reader_who_comes_during_a_rest_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REST_S_MAX", LONG_S)
    async with following(tmp_path) as (log, follower):
        follower.rest_s = LONG_S
        await create(log, SESSIONS)
        await eventually(lambda: follower.rests == 1, PATIENCE_S, "a rest")
        async with asyncio.timeout(PATIENCE_S):
            await follower.reached(log.size)
        assert follower.writes == [ROWS_AT_LEISURE, SESSIONS - ROWS_AT_LEISURE]


async def test_far_behind_there_is_no_rest_until_most_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BEHIND_MAX", 20)
    monkeypatch.setattr(module, "ROWS_PER_WRITE", 50)
    async with following(tmp_path) as (log, follower):
        await create(log, 130)
        await eventually(lambda: follower.lag == 0, PATIENCE_S, "the views at the end of the log")
        assert follower.writes == [50, 50, 30]
        assert follower.rests == 0
