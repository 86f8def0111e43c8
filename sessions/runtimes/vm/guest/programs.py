"""Programs that run to their end: how they start, are cut off, and are reported."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import Final

from . import processes
from .reactor import Timer
from .streams import Allowance, Place, Stream

_GRACE_S: Final = 0.5
"""What is still in the pipes of a program that has ended arrives within this time."""

_STUCK_S: Final = 5.0
"""A killed process that is not gone by then hangs in the kernel, and is not waited for."""

_ARGUMENT_MAX: Final = 120 * 1024


class Order:
    """What the host wants to be run."""

    def __init__(self, owner: int, code: bytes, timeout_s: float, room: int, credit: int) -> None:
        self.owner = owner
        self.code = code
        self.timeout_s = timeout_s
        self.room = room
        self.allowance = Allowance(credit)


class Job:
    """A program on its way, from the order to the report; `over` is called after it."""

    def __init__(self, place: Place, order: Order, over: Callable[[Job], None]) -> None:
        self.order = order
        self.place = place
        self.started = time.monotonic()
        self.exit_code: int | None = None
        self.cpu_s = 0.0
        self.timed_out = False
        self.cut_off = False
        self.note = ""
        self.detached = False
        self._over: Callable[[Job], None] | None = over
        self._totals = {"out": 0, "err": 0}
        self._streams: set[Stream] = set()
        self._deadline = place.reactor.later(order.timeout_s, self._timeout)
        self._grace: Timer | None = None

    def kill(self) -> None:
        """End it now, whatever it does; it is reported as cut off."""
        self.cut_off = True
        self.stop()
        self.place.reactor.later(_STUCK_S, self._leave)

    def stop(self) -> None:
        """End its processes; each kind of program has its own."""
        raise NotImplementedError

    def grant(self, size: int) -> None:
        """The host takes so much more of what it prints."""
        self.order.allowance.credit += size
        for stream in self._streams:
            stream.update()

    def detach(self) -> None:
        """It goes on, but nobody waits for what it says."""
        self.detached = True
        for stream in self._streams:
            stream.abandon()

    def read_from(self, out: Stream, err: Stream) -> None:
        """These are its outputs."""
        self._streams = {out, err}
        for stream in (out, err):
            stream.begin(self.order.owner, self.order.room, self.order.allowance)
        if self.detached:
            self.detach()

    def ended(self, *, alone: bool) -> None:
        """It has ended: report what it printed until now. `alone`: nobody else prints there."""
        self._deadline.cancel()
        for stream in list(self._streams):
            if alone:
                stream.when_over(self._drained)
            else:
                stream.finish(self._drained)
        if self._streams and alone:
            self._grace = self.place.reactor.later(_GRACE_S, self._stop_waiting)
        if not self._streams:
            self._report()

    def _stop_waiting(self) -> None:
        for stream in list(self._streams):
            stream.finish(self._drained)

    def _drained(self, stream: Stream) -> None:
        self._totals[stream.kind] = stream.total
        self._streams.discard(stream)
        if not self._streams:
            self._report()

    def _timeout(self) -> None:
        self.timed_out = True
        self.kill()

    def _leave(self) -> None:
        if self._over is not None:
            self.detach()
            self._streams.clear()
            self._report()

    def _report(self) -> None:
        over, self._over = self._over, None
        if over is None:
            return
        self._deadline.cancel()
        if self._grace is not None:
            self._grace.cancel()
        if not self.detached:
            self._send()
        over(self)

    def _send(self) -> None:
        owner = self.order.owner
        note = self.note.encode()
        if note:
            self.place.port.send({"id": owner, "ev": "err"}, note)
        self.place.port.send(
            {
                "id": owner,
                "ev": "exit",
                "exit_code": None if self.cut_off else self.exit_code,
                "timed_out": self.timed_out,
                "cpu_ms": round(self.cpu_s * 1000),
                "duration_ms": round((time.monotonic() - self.started) * 1000),
                "stdout_bytes": self._totals["out"],
                "stderr_bytes": self._totals["err"] + len(note),
            }
        )


class Bash(Job):
    """One run of bash, with a session and pipes of its own."""

    def __init__(self, place: Place, order: Order, over: Callable[[Job], None]) -> None:
        super().__init__(place, order, over)
        self._pid = 0
        try:
            self._start(order.code)
        except BaseException:
            self._deadline.cancel()
            raise

    def _start(self, code: bytes) -> None:
        out, out_end = os.pipe2(os.O_CLOEXEC)
        err, err_end = os.pipe2(os.O_CLOEXEC)
        script = -1
        try:
            argv = ["/bin/bash", "-c", os.fsdecode(code)]
            if len(code) > _ARGUMENT_MAX:
                # No single argument may be this long, but a file of any length can be run.
                script = _script(code)
                argv = ["/bin/bash", f"/proc/self/fd/{script}"]
            keep = (script,) if script >= 0 else ()
            self._pid = self.place.user.spawn(argv, subprocess.DEVNULL, out_end, err_end, keep)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_end)
            os.close(err_end)
            if script >= 0:
                os.close(script)
        self.place.reactor.on_exit(self._pid, self._exited)
        self.read_from(Stream(self.place, out, "out"), Stream(self.place, err, "err"))

    def stop(self) -> None:
        """Kill its session; nothing once it has ended."""
        if self._pid:
            processes.end(self._pid)

    def _exited(self, code: int, cpu_s: float) -> None:
        if code < 0:
            # It did not leave anything in the background on purpose.
            self.stop()
        self._pid = 0
        self.exit_code = code if code >= 0 else 128 - code
        self.cpu_s = cpu_s
        self.ended(alone=True)

    def _drained(self, stream: Stream) -> None:
        self.place.linger(stream)
        super()._drained(stream)


def _script(code: bytes) -> int:
    fd = os.memfd_create("program")
    with open(fd, "wb", closefd=False) as file:
        file.write(code)
    return fd
