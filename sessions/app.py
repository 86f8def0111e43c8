"""The composition root: one function puts the service together, resources close in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import structlog
from aiohttp import web

from eventstore.artifacts import ArtifactStore
from eventstore.commit import Recorded
from eventstore.errors import EventStoreError
from eventstore.feed import Feed
from eventstore.heads import KEY_FILE, HeadFolder, check_log_is_there
from eventstore.sqlite.log import FILE_NAME as LOG_FILE
from eventstore.sqlite.log import SqliteLog
from eventstore.vault import Vault
from projections.cache_file import CacheDamaged
from projections.folds.access import Key
from projections.folds.session import Session
from projections.follower import Follower
from projections.history import History
from projections.rebuilding import Rebuilding
from projections.snapshots import Snapshots
from projections.snapshotting import FOLD_MAX, Snapshotting
from projections.views.lists import all_keys, devices_there
from projections.views.store import Views
from sessions.access import Access
from sessions.artifacts import Artifacts
from sessions.catalog import Catalog
from sessions.clocks import Clocks
from sessions.devices import Devices
from sessions.dialects.devin.secrets import secrets_for
from sessions.dialects.instavm.screens import Screens
from sessions.dialects.instavm.terminal_socket import SHUTDOWN
from sessions.dialects.notte.early_spaces import EarlySpaces
from sessions.dialects.notte.looks import Looks
from sessions.dialects.wave.channels import Channels
from sessions.dialects.wave.choosing import Choosing, timeouts_of
from sessions.dialects.wave.files import test_file
from sessions.dialects.wave.run_results import RunResults
from sessions.dialects.wave.wire_devices import described
from sessions.erasure import Erasures
from sessions.evidence import Evidence
from sessions.heads import Heads
from sessions.metrics import Metrics
from sessions.observe.broadcast import Broadcast
from sessions.observe.protocol import CLOSE_GOING_AWAY
from sessions.past import Past
from sessions.runs import Runs
from sessions.runtime_parts import (
    MakeBrowsers,
    MakeMachines,
    close_runtimes,
    open_runtimes,
    place_runtimes,
)
from sessions.runtimes.browser.choice import browsers_of
from sessions.runtimes.vm.choice import machines_of
from sessions.service import Sessions
from sessions.settings import Settings
from sessions.spans import Spans
from sessions.surfaces import SURFACES
from sessions.testset.testset import TestSet, load
from sessions.timers import TestTimers
from sessions.turns import Conversations
from sessions.verifying import Verifying
from sessions.web.appkeys import (
    ACCESS,
    ARTIFACTS,
    BROADCAST,
    BROWSERS,
    CATALOG,
    CHANNELS,
    CLOCK_US,
    CONVERSATIONS,
    DEVICES,
    EARLY_SPACES,
    ERASURES,
    EVIDENCE,
    FEED,
    FOLLOWER,
    HEADS,
    LINKS,
    LOG,
    LOOKS,
    MACHINES,
    METRICS,
    PAST,
    PORTS,
    REBUILDING,
    RESULTS,
    RUNS,
    SCREENS,
    SESSIONS,
    SETTINGS,
    SNAPSHOTS,
    SPANS,
    TEST_SET,
    VAULT,
    VERIFYING,
    VIEWS,
    VITAL,
    WORK,
)
from sessions.web.edge import Edge
from sessions.web.links import Links
from sessions.web.ports import Ports
from sessions.work_parts import place_work, watch_of

PROGRESS_S = 2.0

_log = structlog.get_logger()


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def make_app(
    settings: Settings,
    *,
    clock_us: Callable[[], int] = wall_clock_us,
    machines: MakeMachines = machines_of,
    browsers: MakeBrowsers = browsers_of,
) -> web.Application:
    """The service as an aiohttp application; it opens the data folder when it starts."""
    metrics = Metrics()
    app = web.Application(client_max_size=settings.body_bytes_max)
    app[SETTINGS] = settings
    app[PORTS] = Ports(settings.port, settings.https_port)
    app[METRICS] = metrics
    app[CLOCK_US] = clock_us
    app[LINKS] = Links(secrets.token_bytes(32), clock_us)
    app[SCREENS] = Screens()
    app[EARLY_SPACES] = EarlySpaces()
    app[LOOKS] = Looks()
    files = None if settings.wave_tests is None else test_file
    app.router.add_routes(Edge(SURFACES, metrics, files).routes())

    async def resources(app: web.Application) -> AsyncIterator[None]:
        async with open_service(app, settings, clock_us, machines, browsers):
            yield

    async def goodbye(app: web.Application) -> None:
        app[BROADCAST].end_all("shutdown", CLOSE_GOING_AWAY)
        app[CHANNELS].close()
        app[WORK].close()
        app[SCREENS].close(SHUTDOWN)
        await asyncio.gather(app[MACHINES].close(), app[BROWSERS].close())

    app.cleanup_ctx.append(resources)
    app.on_shutdown.append(goodbye)
    return app


@contextlib.asynccontextmanager
async def open_service(
    app: web.Application,
    settings: Settings,
    clock_us: Callable[[], int],
    machines: MakeMachines | None = None,
    browsers: MakeBrowsers | None = None,
) -> AsyncIterator[None]:
    """Everything behind the handlers, from the log up; what is not given is not looked after.

    Views that turn out to be damaged on the way are made anew: they are a cache.
    """
    parts = partial(_parts, app, settings, clock_us, machines, browsers)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(parts())
        except CacheDamaged as error:
            # Its file is gone and what had opened is closed: all of it again, over new views.
            _views_anew(error)
            await stack.enter_async_context(parts())
        yield


@contextlib.asynccontextmanager
async def _parts(
    app: web.Application,
    settings: Settings,
    clock_us: Callable[[], int],
    machines: MakeMachines | None,
    browsers: MakeBrowsers | None,
) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        app[TEST_SET] = await _test_set(settings)
        key, folder = settings.folder / KEY_FILE, HeadFolder(settings.heads_folder)
        await asyncio.to_thread(check_log_is_there, settings.folder / LOG_FILE, key, folder)
        log = await SqliteLog.open(
            settings.folder, clock_us=clock_us, queue_max=settings.append_queue_max
        )
        heads = _heads(log, folder, settings, app[METRICS])
        stack.push_async_callback(heads.finish)  # when the log has drained
        stack.push_async_callback(log.close)
        await heads.start(key)
        app[LOG] = log
        app[HEADS] = heads
        app[FEED] = Feed(log)
        app[CHANNELS] = channels = Channels(log, app[FEED])
        app[METRICS].wave_polls.set_function(lambda: channels.waiting)
        app[VAULT] = await Vault.open(settings.folder)
        stack.push_async_callback(app[VAULT].close)
        app[VIEWS] = await Views.open(settings.folder, log.epoch, log.size, _views_anew)
        stack.push_async_callback(app[VIEWS].close)
        follower, sessions = await _projections(app, log, settings, clock_us)
        stack.push_async_callback(follower.close)
        await _files(app, settings, clock_us)
        app[RUNS] = _runs(app, log)
        stack.push_async_callback(app[RUNS].close)
        place_work(app, settings, partial(secrets_for, app[CATALOG], app[VAULT]))
        place_runtimes(app, settings, clock_us, machines, browsers)
        stack.push_async_callback(close_runtimes, app)
        snapshotting = await _past(app, log, settings)
        stack.push_async_callback(app[SNAPSHOTS].close)
        app[REBUILDING] = Rebuilding(follower)
        stack.push_async_callback(app[REBUILDING].stop)
        app[VERIFYING] = Verifying(settings.folder, settings.heads_folder, heads.vkey)
        stack.push_async_callback(app[VERIFYING].stop)
        broadcast = Broadcast(log, app[METRICS], settings.heartbeat_s)
        app[BROADCAST] = broadcast
        tasks = [
            asyncio.create_task(broadcast.run(), name="broadcast"),
            asyncio.create_task(heads.run(), name="heads"),
            asyncio.create_task(follower.run(), name="follower"),
            asyncio.create_task(app[ERASURES].run(), name="erasures"),
            asyncio.create_task(Clocks(app[VIEWS], sessions, clock_us).run(), name="clocks"),
            asyncio.create_task(app[DEVICES].run(), name="devices"),
            asyncio.create_task(TestTimers(app[VIEWS], app[RUNS], clock_us).run(), name="timers"),
            asyncio.create_task(watch_of(app).run(), name="work"),
        ]
        app[VITAL] = [log.task, *tasks]
        # A cache that fails leaves the past slower, and the service as it is.
        tasks.append(asyncio.create_task(snapshotting.run(), name="snapshots"))
        stack.push_async_callback(_cancel, tasks)
        await open_runtimes(app, machines, browsers)
        app[VIEWS].check()
        yield


def _views_anew(error: Exception) -> None:
    _log.warning("views.made_anew", reason=str(error) or type(error).__doc__)


def _runs(app: web.Application, log: SqliteLog) -> Runs:
    choosing = Choosing(app[TEST_SET].tests, app[RESULTS].results)
    return Runs(log, app[SESSIONS], app[ARTIFACTS], choosing.choose, timeouts_of)


async def _test_set(settings: Settings) -> TestSet:
    if settings.wave_tests is None:
        return TestSet()
    return await asyncio.to_thread(load, settings.wave_tests)


def _heads(log: SqliteLog, folder: HeadFolder, settings: Settings, metrics: Metrics) -> Heads:
    every, interval_s = settings.heads_every, settings.heads_interval_s
    return Heads(log, folder, metrics, every=every, interval_s=interval_s)


async def _projections(
    app: web.Application, log: SqliteLog, settings: Settings, clock_us: Callable[[], int]
) -> tuple[Follower, Sessions]:
    follower = Follower(log, app[VIEWS])
    await follower.catch_up(_progress())
    access = Access(log, follower.states, await all_keys(app[VIEWS]), settings.admin_key)
    sessions = Sessions(log, app[FEED], follower, app[VAULT], clock_us)
    follower.states.on_change[Key] = access.notify
    follower.states.on_change[Session] = sessions.waiters.notify
    app[FOLLOWER], app[ACCESS], app[SESSIONS] = follower, access, sessions
    app[CATALOG] = Catalog(log, follower, app[VIEWS])
    app[CONVERSATIONS] = Conversations(sessions)
    app[SPANS] = Spans(log, follower, app[VIEWS])
    app[DEVICES] = Devices(log, await devices_there(app[VIEWS]), clock_us, described)
    log.listen(_count(app[METRICS]))
    return follower, sessions


async def _past(app: web.Application, log: SqliteLog, settings: Settings) -> Snapshotting:
    app[SNAPSHOTS] = snapshots = Snapshots(settings.folder, log.epoch)
    app[PAST] = Past(log, History(log, snapshots, fold_max=FOLD_MAX))
    snapshotting = Snapshotting(
        log, snapshots, lambda error: _log.warning("snapshots.failed", error=str(error))
    )
    await snapshotting.open()
    return snapshotting


async def _files(app: web.Application, settings: Settings, clock_us: Callable[[], int]) -> None:
    store = ArtifactStore(settings.folder)
    bytes_max = settings.artifact_bytes_max
    artifacts = Artifacts(store, app[SESSIONS], app[LOG], clock_us, bytes_max)
    # What a disk refuses now may be done at the next start: reads go on.
    with contextlib.suppress(EventStoreError):
        await artifacts.clear_up()
    app[ARTIFACTS] = artifacts
    app[RESULTS] = RunResults(app[SESSIONS], artifacts)
    app[EVIDENCE] = Evidence(app[LOG], app[HEADS], app[SESSIONS], app[FOLLOWER], app[VIEWS], store)
    app[ERASURES] = await _erasures(app)


async def _erasures(app: web.Application) -> Erasures:
    remove_files, remove_entry = app[ARTIFACTS].remove, app[CATALOG].remove
    erasures = Erasures(app[SESSIONS], app[VAULT], remove_files, remove_entry)
    # What a disk refuses now is tried again later: reads go on.
    with contextlib.suppress(EventStoreError):
        await erasures.finish()
    return erasures


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
