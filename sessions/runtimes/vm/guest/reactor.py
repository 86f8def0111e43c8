"""One thread that waits for everything at once: descriptors, times, and the end of children."""

from __future__ import annotations

import heapq
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Final

READABLE: Final = select.POLLIN
WRITABLE: Final = select.POLLOUT
URGENT: Final = select.POLLPRI

_IDLE_MS: Final = 60_000
_DEAD_MAX: Final = 64
_AFTER_ERROR_S: Final = 0.01


class Leave(Exception):
    """Ends the loop."""


class Timer:
    """Something that is to be called at a time, until it is cancelled."""

    def __init__(self, callback: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback
        self._cancelled = cancelled

    def cancel(self) -> None:
        """Never call it; nothing where it was called already."""
        if self.callback is not None:
            self.callback = None
            self._cancelled()


class Reactor:
    """Calls whoever waits for a descriptor, a time or a child."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._dead = 0
        self._children: dict[int, Callable[[int, float], None]] = {}
        self._reaping = False
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.watch(self._wake, READABLE, self._woken)

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call with what happened, until it is forgotten; once more changes what to wait for."""
        self._poll.register(fd, events)
        self._watched[fd] = callback

    def forget(self, fd: int) -> None:
        """No longer wait for it; nothing where nobody does."""
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call once after so many seconds."""
        if self._dead > _DEAD_MAX and self._dead * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._dead = 0
        timer = Timer(callback, self._cancelled)
        self._sequence += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._sequence, timer))
        return timer

    def on_exit(self, pid: int, callback: Callable[[int, float], None]) -> None:
        """Call with wait status and processor seconds once that child has ended."""
        self._children[pid] = callback

    def turn(self) -> None:
        """Wait until something happens, and call whom it concerns."""
        ready = self._poll.poll(self._patience_ms())
        for fd, events, callback in [(fd, events, self._watched.get(fd)) for fd, events in ready]:
            # One that is called may close the descriptor of another, whose number is taken anew.
            if callback is not None and self._watched.get(fd) == callback:
                _call(partial(callback, events))
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._fire(heapq.heappop(self._timers)[2])
        if self._reaping:
            self._reaping = False
            self._reap()

    def _fire(self, timer: Timer) -> None:
        due, timer.callback = timer.callback, None
        if due is None:
            self._dead -= 1
        else:
            _call(due)

    def _cancelled(self) -> None:
        self._dead += 1

    def _patience_ms(self) -> int:
        while self._timers and self._timers[0][2].callback is None:
            self._fire(heapq.heappop(self._timers)[2])
        if not self._timers:
            return _IDLE_MS
        return min(_IDLE_MS, max(0, int((self._timers[0][0] - time.monotonic()) * 1000) + 1))

    def _woken(self, _: int) -> None:
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            return
        self._reaping = True

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            callback = self._children.pop(pid, None)
            if callback is not None:
                code, cpu_s = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
                _call(partial(callback, code, cpu_s))


def _call(callback: Callable[[], None]) -> None:
    """Call; what goes wrong in there must not end the agent, and with it the machine."""
    try:
        callback()
    except Leave:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, there is somebody else to serve
        sys.excepthook(*sys.exc_info())
        time.sleep(_AFTER_ERROR_S)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor does the work; a handler must be there for the signal to be seen."""
