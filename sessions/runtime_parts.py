"""The machines and browsers of a service, put together over what is there already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.views.browsers import sessions_with_browsers
from sessions import browser_budget, machine_budget
from sessions.browser_book import BrowserBook
from sessions.browser_recording import FOLDER as FILMS_FOLDER
from sessions.browser_recording import Recordings
from sessions.browsers import BrowserSessions
from sessions.caller import SERVICE
from sessions.gate import Gate
from sessions.machine_book import MachineBook
from sessions.machines import MachineSessions
from sessions.metrics import Metrics
from sessions.runtimes.browser.choice import NoBrowsers
from sessions.runtimes.browser.port import Browsers
from sessions.runtimes.browser.sweep import FILES_FOLDER
from sessions.runtimes.vm.choice import NoMachines
from sessions.runtimes.vm.port import Machines
from sessions.service import ClockUs
from sessions.settings import Settings
from sessions.web.appkeys import (
    ARTIFACTS,
    BROWSERS,
    FOLLOWER,
    LOG,
    MACHINES,
    METRICS,
    RECORDINGS,
    SESSIONS,
    VAULT,
    VIEWS,
    WORK,
)

MakeMachines = Callable[[Settings], Machines]
MakeBrowsers = Callable[[Settings], Browsers]

_NO_MACHINES: Final = NoMachines("this is not the service")
_NO_BROWSERS: Final = NoBrowsers("this is not the service")


def place_runtimes(
    app: web.Application,
    settings: Settings,
    clock_us: ClockUs,
    machines: MakeMachines | None,
    browsers: MakeBrowsers | None,
) -> None:
    """Put them into the application; what has no maker makes nothing."""
    _place_machines(app, settings, clock_us, machines)
    _place_browsers(app, settings, clock_us, browsers)
    _watch_sessions(app)


async def open_runtimes(
    app: web.Application, machines: MakeMachines | None, browsers: MakeBrowsers | None
) -> None:
    """Tell what became of those of before, and begin; nothing for what has no maker."""
    if machines is not None:
        await app[MACHINES].open()
    if browsers is not None:
        await app[BROWSERS].open()
        await app[RECORDINGS].open()


async def close_runtimes(app: web.Application) -> None:
    """End everything that runs, quickly; may be repeated."""
    # First: what is not filmed yet is left for the next start.
    await app[RECORDINGS].close()
    await asyncio.gather(app[MACHINES].close(), app[BROWSERS].close())


def _place_machines(
    app: web.Application, settings: Settings, clock_us: ClockUs, make: MakeMachines | None
) -> None:
    runtime = _NO_MACHINES if make is None else make(settings)
    book = MachineBook(app[LOG], app[FOLLOWER], app[VIEWS], app[SESSIONS])
    gate = Gate(machine_budget.budget_of(settings))
    _count(app[METRICS], gate, runtime)
    machines = MachineSessions(book, app[VAULT], runtime, gate, clock_us)
    app[FOLLOWER].states.on_change[Vm] = machines.notice_vm
    app[MACHINES] = machines


def _place_browsers(
    app: web.Application, settings: Settings, clock_us: ClockUs, make: MakeBrowsers | None
) -> None:
    runtime = _NO_BROWSERS if make is None else make(settings)
    book = BrowserBook(app[SESSIONS], app[VAULT], app[ARTIFACTS])

    async def open_sessions() -> AsyncIterator[Session]:
        await app[FOLLOWER].reached(app[LOG].size)
        async for session in sessions_with_browsers(app[VIEWS]):
            yield session

    gate = Gate(browser_budget.budget_of(settings), "browsers")
    _count(app[METRICS], gate, runtime)
    files = settings.folder / FILES_FOLDER
    browsers = BrowserSessions(book, runtime, gate, files, open_sessions, clock_us)
    recordings = Recordings(
        settings.folder / FILMS_FOLDER,
        runtime,
        lambda session_id: app[SESSIONS].find(session_id, SERVICE),
        browsers.keep_recording,
        clock_us,
    )
    if settings.browser_replays:
        browsers.on_opened.append(recordings.begin)
    browsers.on_closed.append(lambda session, _: recordings.finish(session.id))
    browsers.on_erasure.append(lambda session: recordings.forget(session.id))
    app[BROWSERS], app[RECORDINGS] = browsers, recordings


def _count(metrics: Metrics, gate: Gate, runtime: Machines | Browsers) -> None:
    """Show in the metrics, from now on, how many there are."""
    named, admission = {"runtime": gate.what}, gate.admission
    metrics.runtime_inside.labels(**named).set_function(lambda: admission.inside)
    metrics.runtime_waiting.labels(**named).set_function(lambda: admission.waiting)
    metrics.runtime_warm.labels(**named).set_function(lambda: runtime.warm_count)


def _watch_sessions(app: web.Application) -> None:
    """Whoever follows what becomes of sessions is told at the moment of each commit."""
    waiters, machines, browsers = app[SESSIONS].waiters, app[MACHINES], app[BROWSERS]
    work = app[WORK]

    def notify(state: Session) -> None:
        waiters.notify(state)
        machines.notice(state)
        browsers.notice(state)
        work.notice(state)

    app[FOLLOWER].states.on_change[Session] = notify
