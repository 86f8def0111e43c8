"""All browsers of one service: few processes of Chromium, each with many sessions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from playwright.async_api import Error

from sessions.runtimes.browser.argv import Launch
from sessions.runtimes.browser.availability import Found, find_chromium
from sessions.runtimes.browser.context import ContextBrowser, Room, make_room
from sessions.runtimes.browser.driver import Driver
from sessions.runtimes.browser.film import film
from sessions.runtimes.browser.guard import Guard
from sessions.runtimes.browser.host import Host, Patience, raise_host
from sessions.runtimes.browser.port import (
    BrowserError,
    BrowserFailed,
    Ending,
    Picture,
    RuntimeUnavailable,
    Wanted,
)
from sessions.runtimes.browser.process import NoSandbox, memory_of, much_shared_memory, share_of
from sessions.runtimes.browser.sandboxing import cover
from sessions.runtimes.browser.scratch import Held
from sessions.runtimes.browser.sweep import make_folders, run_folder, scratch_folder, sweep
from sessions.runtimes.browser.upstream import BadProxy
from sessions.runtimes.in_thread import to_its_end
from sessions.runtimes.pool import WarmPool

PER_PROCESS: Final = 10
SERVED_MAX: Final = 200
"""So many sessions later a Chromium has grown: the next one is a new one's."""

_FOLDERS: Final = ("downloads", "uploads")
_WARM: Final = 0
_ATTEMPTS: Final = 2
_ENDING: Final = Ending(reason="service_restart", detail="the service is ending")
_UNUSED: Final = Ending(reason="requested", detail="nobody needed it any more")
_NO_DRIVER: Final = Ending(
    reason="runtime_failed", detail="Playwright's driver ended, and every browser with it"
)

T = TypeVar("T")

_log = structlog.get_logger()


class Chromium:
    """Implements `Browsers`. Make it on the loop, and close it."""

    def __init__(
        self,
        folder: Path,
        guard: Guard,
        *,
        program: str = "",
        warm: int = 0,
        per_process: int = PER_PROCESS,
        starts_max: int = 2 * (os.cpu_count() or 1),
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        """`folder` is the data folder; `warm` rooms wait for sessions that want nothing special."""
        self._folder = folder
        self._guard = guard
        self._program = program
        self._per_process = per_process
        self._patience = patience
        self._starting = asyncio.Semaphore(starts_max)
        self._turn = asyncio.Lock()
        self._found: Found | None = None
        self._cover: tuple[str, ...] | None = None
        self._scratch = Held()
        self._closed = False
        self._waiting = 0
        self._hosts: list[Host] = []
        self._browsers: set[ContextBrowser] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._driver = Driver(run_folder(folder), patience.start_s, self._driver_lost)
        self._pool: WarmPool[Room] = WarmPool(
            {_WARM: warm}, self._make_warm, lambda: self._waiting > 0, _not_warm, BrowserError
        )

    async def check(self) -> None:
        """Return where browsers can be had; raises RuntimeUnavailable. Cheap after the first."""
        if self._found is None:
            self._found = await asyncio.to_thread(find_chromium, self._program)

    async def open(self) -> None:
        """Sweep what was left, and begin to keep a spare where that is wanted. Never raises."""
        await asyncio.to_thread(sweep, self._folder)
        self._pool.start()

    async def start(self, wanted: Wanted) -> ContextBrowser:
        """A browser with one empty page; raises RuntimeUnavailable or BrowserFailed."""
        task = self._begun(self._start(wanted))
        try:
            return await _result(task)
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                await asyncio.shield(task.result().close())
            raise

    async def film(self, pictures: Sequence[Picture], into: Path) -> None:
        """Write an MP4 of the pictures, by the browser's own encoder, to a new file.

        Raises RuntimeUnavailable or BrowserFailed, and nothing is written then.
        """
        await _result(self._begun(self._film(pictures, into)))

    async def close(self) -> None:
        """End every browser; no process is left, also none that hangs."""
        self._closed = True
        # Each is forgotten by the task that waits for its end.
        browsers = list(self._browsers)
        await self._cut_off()
        self._end_all(_ENDING)
        await self._pool.close()
        # One more may have come up while a spare was being made.
        await self._cut_off()
        self._end_all(_ENDING)
        await asyncio.gather(*(host.gone() for host in self._hosts))
        # At once: where the driver stands still, pages would wait for it.
        await asyncio.gather(self._driver.close(), *(browser.close() for browser in browsers))
        await self._guard.close()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(scratch_folder(self._folder).rmdir)
        await asyncio.to_thread(self._scratch.release)

    async def memory(self) -> int:
        """Bytes of memory of all browsers and of what drives them."""

        def used() -> int:
            living = [host.pid for host in self._hosts if not host.ended.done()]
            return sum(map(memory_of, living)) + share_of(self._driver.pid)

        return await asyncio.to_thread(used)

    @property
    def processes(self) -> list[int]:
        """The process ids of every Chromium that runs, and of the driver."""
        pids = [host.pid for host in self._hosts if not host.ended.done()]
        return [*pids, *([self._driver.pid] if self._driver.pid else [])]

    @property
    def warm_count(self) -> int:
        """How many rooms wait warm."""
        return self._pool.count

    async def _start(self, wanted: Wanted) -> ContextBrowser:
        self._waiting += 1
        try:
            await self._ready()
            for name in _FOLDERS:
                await to_its_end(partial(_have, wanted.folder / name))
            room = await self._from_pool(wanted) or await self._room(wanted)
        except OSError as error:
            raise BrowserFailed(f"the browser could not be opened: {error}") from None
        finally:
            self._waiting -= 1
        browser = ContextBrowser(wanted, room, self._patience.close_s)
        self._browsers.add(browser)
        self._keep(asyncio.create_task(self._until_ended(browser)))
        return browser

    async def _film(self, pictures: Sequence[Picture], into: Path) -> None:
        await self._ready()
        host = await self._host()
        try:
            making = asyncio.create_task(film(host.browser, pictures, into))
            # Of a driver that is gone no answer ever comes.
            either: set[asyncio.Future[Any]] = {making, host.ended}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not making.done():
                    raise BrowserFailed(host.ended.result().detail)
                making.result()
            finally:
                making.cancel()
                await asyncio.wait({making})
        finally:
            host.expected -= 1

    async def _from_pool(self, wanted: Wanted) -> Room | None:
        # What a context is made with cannot be changed afterwards, but for its headers.
        if wanted.viewport or wanted.user_agent or wanted.proxy:
            return None
        room = self._pool.take(_WARM)
        if room is None or not wanted.headers:
            return room
        try:
            async with asyncio.timeout(self._patience.open_s):
                await room.context.set_extra_http_headers(wanted.headers)
        except BaseException as error:
            await room.stop()
            if not isinstance(error, Error | TimeoutError):
                raise
            return None
        return room

    async def _room(self, wanted: Wanted | None) -> Room:
        proxy = None if wanted is None else wanted.proxy
        for attempt in range(_ATTEMPTS):
            async with self._starting:
                host = await self._host()
                try:
                    async with asyncio.timeout(self._patience.open_s):
                        door = await self._guard.door(proxy)
                        return await make_room(host, door, wanted)
                except BadProxy as error:
                    raise BrowserFailed(str(error)) from None
                except OSError as error:
                    raise BrowserFailed(f"the browser could not be opened: {error}") from None
                except TimeoutError:
                    host.fit = False
                except BrowserFailed:
                    # A Chromium that is going takes nobody with it that has not arrived yet.
                    if attempt + 1 == _ATTEMPTS:
                        raise
                finally:
                    host.expected -= 1
        seconds = self._patience.open_s
        raise BrowserFailed(f"the browser did not open within {seconds:g} s")

    async def _make_warm(self, _: int) -> Room:
        await self._ready()
        return await self._room(None)

    async def _host(self, *, crowded: bool = False) -> Host:
        """A Chromium with room, where a place is kept; the fullest, so that others empty.

        A `crowded` one is taken by who does not stay.
        """
        async with self._turn:
            fitting = [
                host
                for host in self._hosts
                if host.fit
                and (crowded or (host.crowd < self._per_process and host.served < SERVED_MAX))
            ]
            if fitting:
                host = max(fitting, key=lambda each: each.crowd)
            else:
                host = await self._raise_host()
            host.expected += 1
            return host

    async def _raise_host(self) -> Host:
        if self._found is None or self._closed:
            raise BrowserFailed("the service is ending")
        if self._cover is None:
            self._cover = await asyncio.to_thread(cover, run_folder(self._folder))
        how = Launch(
            program=self._found.program,
            sandbox=self._found.sandbox or bool(self._cover),
            cover=self._cover,
            shared_memory=await asyncio.to_thread(much_shared_memory),
        )
        name = uuid.uuid4().hex[:12]
        folders = (run_folder(self._folder) / name, scratch_folder(self._folder) / name)
        given_up = contextlib.ExitStack()

        def ready(port: int) -> None:
            self._guard.keep_back(port)
            given_up.callback(self._guard.give_back, port)

        try:
            with given_up:
                host = await raise_host(self._driver, how, folders, self._patience, ready)
                given_up.pop_all()
        except NoSandbox:
            if not self._cover:
                raise
            # It looked as if root could have one.
            self._cover = ()
            return await self._raise_host()
        self._hosts.append(host)
        self._keep(asyncio.create_task(self._until_unused(host)))
        _log.info("browsers.started", pid=host.pid, version=host.version)
        return host

    async def _until_unused(self, host: Host) -> None:
        """End a Chromium that nobody has needed for a while; forget it when it is gone."""
        unused_s = 0.0
        step_s = min(1.0, self._patience.linger_s)
        while not host.ended.done():
            await asyncio.wait({host.ended}, timeout=step_s)
            unused_s = 0.0 if host.crowd else unused_s + step_s
            last = unused_s >= self._patience.linger_s or not host.fit or host.served >= SERVED_MAX
            if not host.crowd and last:
                host.end(_UNUSED)
        await host.gone()
        self._guard.give_back(host.port)
        ending = host.ended.result()
        _log.info("browsers.ended", pid=host.pid, reason=ending.reason, detail=ending.detail)
        async with self._turn:
            self._hosts.remove(host)
            if not self._hosts:
                # It has grown with all that it did, and the next Chromium can wait for a new one.
                await asyncio.shield(self._driver.close())

    async def _until_ended(self, browser: ContextBrowser) -> None:
        try:
            await browser.ended()
            await browser.close()
        finally:
            self._browsers.discard(browser)

    async def _ready(self) -> None:
        await self.check()
        try:
            await to_its_end(lambda: make_folders(self._folder, self._scratch))
        except OSError as error:
            raise RuntimeUnavailable(f"browsers have no place here: {error}") from None
        self._pool.start()

    async def _cut_off(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _driver_lost(self) -> None:
        self._end_all(_NO_DRIVER)

    def _end_all(self, ending: Ending) -> None:
        for host in self._hosts:
            host.end(ending)

    def _begun(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        if self._closed:
            work.close()
            raise BrowserFailed("the service is ending")
        task = asyncio.create_task(work)
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _result(task: asyncio.Task[T]) -> T:
    """What comes of it; raises BrowserFailed where the service ends first."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
    if task.cancelled():
        raise BrowserFailed("the service is ending")
    return task.result()


def _have(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _not_warm(error: Exception) -> None:
    _log.warning("browsers.none_waits", why=str(error))
