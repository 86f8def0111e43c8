"""Playwright's own process: started when it is first needed, and again when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from playwright.async_api import Error, Playwright, async_playwright

from sessions.runtimes.browser.port import BrowserFailed, RuntimeUnavailable
from sessions.runtimes.browser.sweep import DRIVER_FILE, DriverMark
from sessions.runtimes.leftovers import began_at, processes, stat_of

_WORD: Final = b"run-driver"
_ANSWER_S: Final = 5.0
_STOP_S: Final = 2.0
_REAPED_S: Final = 10.0


class Driver:
    """One for all browsers of the service; it ends with the pipe that the service holds."""

    def __init__(self, folder: Path, start_s: float, lost: Callable[[], None]) -> None:
        """`folder` exists by the first start; `lost` is told when a driver has died."""
        self._folder = folder
        self._start_s = start_s
        self._lost = lost
        self._turn = asyncio.Lock()
        self._playwright: Playwright | None = None
        self._starting: asyncio.Task[Playwright] | None = None
        self._pid = 0
        self._pidfd = -1
        self._over: asyncio.Future[None] | None = None
        """Done when the process was waited for."""

    @property
    def pid(self) -> int:
        """Its process id while it runs, else 0."""
        return self._pid

    async def playwright(self) -> Playwright:
        """Playwright, with a driver that runs; raises RuntimeUnavailable or BrowserFailed."""
        async with self._turn:
            if self._playwright is None or not self._pid:
                # Whoever wants it may go away: it is started for all.
                starting = self._starting = self._starting or asyncio.create_task(self._start())
                try:
                    return await asyncio.shield(starting)
                finally:
                    if starting.done():
                        self._starting = None
            return self._playwright

    async def answers(self) -> bool:
        """False where it runs and yet does nothing any more; it is ended then."""
        playwright = self._playwright
        if playwright is None:
            return True
        try:
            async with asyncio.timeout(_ANSWER_S):
                context = await playwright.request.new_context()
                await context.dispose()
        except TimeoutError:
            self.kill()
            return False
        except Error:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL; never hits another process."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """End it, also where it hangs. May be repeated; never raises."""
        async with self._turn:
            starting, self._starting = self._starting, None
            if starting is not None:
                await asyncio.wait({starting})
                starting.exception()
            playwright, self._playwright = self._playwright, None
            if playwright is not None and not await _stopped(playwright):
                self.kill()
            if self._over is not None:
                # To stop it twice does nothing, and it is over only when it was waited for.
                await asyncio.wait({self._over}, timeout=_REAPED_S)
            self._forget()

    async def _start(self) -> Playwright:
        before = await asyncio.to_thread(_drivers)
        error: Exception | None = None
        playwright: Playwright | None = None
        beginning = async_playwright()
        try:
            async with asyncio.timeout(self._start_s):
                playwright = await beginning.start()
            self._over = _end_of(beginning)
        except TimeoutError:
            error = BrowserFailed("Playwright's driver did not start in time")
        except (Error, OSError) as failure:
            error = RuntimeUnavailable(f"Playwright's driver does not start: {failure}")
        started = [pid for pid in await asyncio.to_thread(_drivers) if pid not in before]
        for pid in started:
            self._watch(pid)
        if playwright is None:
            self.kill()
            raise error or BrowserFailed("Playwright's driver did not start")
        # Here, since whoever wanted it may go away just as it is there.
        self._playwright = playwright
        return playwright

    def _watch(self, pid: int) -> None:
        began = began_at(pid)
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return
        self._pid = pid
        asyncio.get_running_loop().add_reader(self._pidfd, self._died)
        mark = msgspec.json.encode(DriverMark(pid, began))
        with contextlib.suppress(OSError):
            (self._folder / DRIVER_FILE).write_bytes(mark)

    def _died(self) -> None:
        self._forget()
        if self._playwright is not None:
            self._playwright = None
            self._lost()

    def _forget(self) -> None:
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            with contextlib.suppress(OSError):
                (self._folder / DRIVER_FILE).unlink(missing_ok=True)
        self._pid, self._pidfd = 0, -1


async def _stopped(playwright: Playwright) -> bool:
    with contextlib.suppress(Error):
        try:
            async with asyncio.timeout(_STOP_S):
                await playwright.stop()
        except TimeoutError:
            return False
    return True


def _end_of(beginning: object) -> asyncio.Future[None] | None:
    """The end of its process, and of all that was read from it.

    It tells of a broken pipe, too: the loop need not complain of that.
    """
    transport = getattr(getattr(beginning, "_client", None), "_transport", None)
    broken = getattr(transport, "on_error_future", None)
    if isinstance(broken, asyncio.Future):
        broken.add_done_callback(lambda future: future.cancelled() or future.exception())
    over = getattr(transport, "_stopped_future", None)
    return over if isinstance(over, asyncio.Future) else None


def _drivers() -> list[int]:
    """The drivers among the children of this process. Blocks."""

    def recognised(words: Sequence[bytes]) -> bool:
        return _WORD in words

    ours = os.getpid()
    return [pid for pid in processes(recognised) if stat_of(pid)[1:2] == [str(ours)]]
