"""The composition root: one function puts the service together, resources close in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from aiohttp import web

from eventstore.commit import Recorded
from eventstore.feed import Feed
from eventstore.sqlite.log import SqliteLog
from eventstore.vault import Vault
from projections.folds.access import Key
from projections.folds.session import Session
from projections.follower import Follower
from projections.rebuilding import Rebuilding
from projections.views.lists import all_keys
from projections.views.store import Views
from sessions.access import Access
from sessions.catalog import Catalog
from sessions.clocks import Clocks
from sessions.metrics import Metrics
from sessions.observe.broadcast import Broadcast
from sessions.observe.protocol import CLOSE_GOING_AWAY
from sessions.service import Sessions
from sessions.settings import Settings
from sessions.surfaces import SURFACES
from sessions.web.appkeys import (
    ACCESS,
    BROADCAST,
    CATALOG,
    CLOCK_US,
    FEED,
    FOLLOWER,
    LOG,
    METRICS,
    REBUILDING,
    SESSIONS,
    SETTINGS,
    VAULT,
    VIEWS,
    VITAL,
)
from sessions.web.edge import Edge

PROGRESS_S = 2.0

_log = structlog.get_logger()


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def make_app(settings: Settings, *, clock_us: Callable[[], int] = wall_clock_us) -> web.Application:
    """The service as an aiohttp application; it opens the data folder when it starts."""
    metrics = Metrics()
    app = web.Application(client_max_size=settings.body_bytes_max)
    app[SETTINGS] = settings
    app[METRICS] = metrics
    app[CLOCK_US] = clock_us
    app.router.add_routes(Edge(SURFACES, metrics).routes())

    async def resources(app: web.Application) -> AsyncIterator[None]:
        async with open_service(app, settings, clock_us):
            yield

    async def goodbye(app: web.Application) -> None:
        app[BROADCAST].end_all("shutdown", CLOSE_GOING_AWAY)

    app.cleanup_ctx.append(resources)
    app.on_shutdown.append(goodbye)
    return app


@contextlib.asynccontextmanager
async def open_service(
    app: web.Application, settings: Settings, clock_us: Callable[[], int]
) -> AsyncIterator[None]:
    """Everything behind the handlers, from the log up."""
    async with contextlib.AsyncExitStack() as stack:
        log = await SqliteLog.open(
            settings.folder, clock_us=clock_us, queue_max=settings.append_queue_max
        )
        stack.push_async_callback(log.close)
        app[LOG] = log
        app[FEED] = Feed(log)
        app[VAULT] = await Vault.open(settings.folder)
        stack.push_async_callback(app[VAULT].close)
        app[VIEWS] = await Views.open(settings.folder, log.epoch, log.size)
        stack.push_async_callback(app[VIEWS].close)
        follower, sessions = await _projections(app, log, settings, clock_us)
        stack.push_async_callback(follower.close)
        app[REBUILDING] = Rebuilding(follower)
        stack.push_async_callback(app[REBUILDING].stop)
        broadcast = Broadcast(log, app[METRICS], settings.heartbeat_s)
        app[BROADCAST] = broadcast
        tasks = [
            asyncio.create_task(broadcast.run(), name="broadcast"),
            asyncio.create_task(follower.run(), name="follower"),
            asyncio.create_task(Clocks(app[VIEWS], sessions, clock_us).run(), name="clocks"),
        ]
        app[VITAL] = [log.task, *tasks]
        stack.push_async_callback(_cancel, tasks)
        yield


async def _projections(
    app: web.Application, log: SqliteLog, settings: Settings, clock_us: Callable[[], int]
) -> tuple[Follower, Sessions]:
    follower = Follower(log, app[VIEWS])
    await follower.catch_up(_progress())
    access = Access(log, follower.states, await all_keys(app[VIEWS]), settings.admin_key)
    sessions = Sessions(log, app[FEED], follower, clock_us)
    follower.states.on_change[Key] = access.notify
    follower.states.on_change[Session] = sessions.waiters.notify
    app[FOLLOWER], app[ACCESS], app[SESSIONS] = follower, access, sessions
    app[CATALOG] = Catalog(log, follower, app[VIEWS])
    log.listen(_count(app[METRICS]))
    return follower, sessions


def _count(metrics: Metrics) -> Callable[[Sequence[Recorded]], None]:
    def count(batch: Sequence[Recorded]) -> None:
        metrics.batches.inc()
        metrics.commits.inc(len(batch))

    return count


def _progress() -> Callable[[int, int], None]:
    told = time.monotonic()

    def progress(position: int, head: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_S:
            told = time.monotonic()
            _log.info("views.catching_up", position=position, head=head)

    return progress


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
