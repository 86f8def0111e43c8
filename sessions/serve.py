"""Running the service as a process: start, say ready, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import signal
import sqlite3
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from eventstore.errors import EventStoreError
from sessions.app import make_app
from sessions.caller import SERVICE
from sessions.control import SOCKET_NAME, socket_path
from sessions.loop_turns import LoopTurns, TimedSelector
from sessions.settings import Settings
from sessions.testset.listing import TestSetError
from sessions.web.appkeys import ACCESS, METRICS, PORTS, VITAL
from sessions.web.ports import Ports

EXIT_REFUSED: Final = 1
EXIT_BROKEN: Final = 70  # sysexits.h: internal software error
# The default thresholds scan a heap of 100,000 sessions again and again: the tail of every answer.
GC_THRESHOLDS: Final = (50_000, 50, 100)

_log = structlog.get_logger()


async def serve(settings: Settings, turns: LoopTurns | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. `turns` are those of the loop, if measured."""
    print(f"settings: {json.dumps(settings.redacted())}", flush=True)
    app = make_app(settings)
    if turns is not None:
        app[METRICS].registry.register(turns)
    # aiohttp waits this long twice: for handlers to end, and for those it then cuts off.
    drain_s = settings.drain_s / 2
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=drain_s)
    stop = _stop_signal()
    listening = False
    try:
        try:
            tls = tls_of(settings)
            await runner.setup()
            sites = await _sites(runner, settings, tls, app[PORTS])
            listening = True
            await _first_key(app)
        except (EventStoreError, TestSetError, OSError, sqlite3.Error) as error:
            return _refuse(error)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        print(f"ready {sites}", flush=True)
        broken = await _until(stop, app[VITAL])
    finally:
        if listening:  # else the socket is that of the service which holds the folder
            socket_path(settings.folder).unlink(missing_ok=True)
        await runner.cleanup()
    return EXIT_BROKEN if broken else 0


async def _until(stop: asyncio.Event, vital: list[asyncio.Task[None]]) -> bool:
    """Wait for the signal to stop; True if something that must not end did so before.

    A service without its writer or its follower would answer, and be wrong: it ends, loudly.
    """
    stopping = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait({stopping, *vital}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        _log.error("service.broken", task=task.get_name(), exc_info=task.exception())
    _log.info("service.stopping")
    return bool(done - {stopping})


def _refuse(error: Exception) -> int:
    print(f"sessiond: cannot start: {error}", file=sys.stderr, flush=True)
    return EXIT_REFUSED


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _sites(
    runner: web.AppRunner, settings: Settings, tls: ssl.SSLContext | None, ports: Ports
) -> str:
    tcp = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    await tcp.start()
    # The first site is the one whose address is told.
    plain = runner.addresses
    ports.http = plain[0][1]
    if tls is not None:
        await web.TCPSite(runner, settings.host, settings.https_port, ssl_context=tls).start()
        ports.https = runner.addresses[len(plain)][1]
        _log.info("service.https", port=ports.https)
    path = socket_path(settings.folder)
    path.unlink(missing_ok=True)
    # Whoever may write in the data folder may administer it, by `sessiond keys`.
    mask = os.umask(0o177)
    try:
        with contextlib.chdir(path.parent):
            await web.UnixSite(runner, SOCKET_NAME).start()
    finally:
        os.umask(mask)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{ports.http}"


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """What the https port shows; raises OSError that names the files."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    cert, key = (Path(name).expanduser() for name in (settings.tls_cert, settings.tls_key))
    try:
        # Without a password given here, OpenSSL would ask the terminal for one, and wait.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        raise OSError(f"no TLS with {cert} and {key}: {error}") from None
    return context


async def _first_key(app: web.Application) -> None:
    """Where there is no key at all, make one and show it once."""
    access = app[ACCESS]
    if not access.empty:
        return
    made = await access.issue(
        SERVICE, name="first", tenant=SERVICE.tenant, scopes=("admin",), prefix="sdk_"
    )
    print(f"first start: this admin key is shown once: {made.secret}", flush=True)


def run(settings: Settings) -> int:
    """Run `serve` on the loop that the settings ask for."""
    turns = None if settings.uvloop else LoopTurns()
    try:
        factory = _uvloop() if turns is None else _timed(turns)
        settings.folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ImportError) as error:
        return _refuse(error)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(serve(settings, turns))


def _timed(turns: LoopTurns) -> Callable[[], asyncio.AbstractEventLoop]:
    return lambda: asyncio.SelectorEventLoop(TimedSelector(turns))


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        module = importlib.import_module("uvloop")
    except ImportError:
        raise ImportError("uvloop is not installed: pip install 'sessiond[speed]'") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return factory
