"""The one python of a machine: each program finds the variables of those before."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from . import processes
from .framing import Deframer, FramingLost, frame
from .programs import Job, Order
from .reactor import READABLE, WRITABLE
from .streams import Place, Stream
from .user import Refused

_INTERPRETER: Final = os.path.join(os.path.dirname(__file__), "interpreter.py")
_AT_START: Final = ("PYTHON", "LD_", "LC_", "LANG", "GLIBC_", "MALLOC_")
"""What a python reads once, when it starts."""

_WAITING_MAX: Final = 64


class PythonJob(Job):
    """A program that runs, or waits its turn, in the python of the machine."""

    def __init__(
        self,
        place: Place,
        order: Order,
        over: Callable[[Job], None],
        stop: Callable[[PythonJob], None],
    ) -> None:
        super().__init__(place, order, over)
        self._stop = stop

    def stop(self) -> None:
        """Only the whole python can be ended, with all of its variables."""
        self._stop(self)


class Python:
    """Starts the interpreter when it is needed, and a fresh one after an end."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._waiting: deque[PythonJob] = deque()
        self._current: PythonJob | None = None
        self._running: _Interpreter | None = None
        self._lost = ""

    def run(self, order: Order, over: Callable[[Job], None]) -> PythonJob:
        """Run it when those before have ended; raises Refused."""
        if len(self._waiting) >= _WAITING_MAX:
            raise Refused("too many python programs wait for their turn")
        job = PythonJob(self._place, order, lambda job: self._over(job, over), self._stop)
        self._waiting.append(job)
        try:
            self._next()
        except BaseException:
            # Only the first in the row starts anything, so it is this one that could not.
            self._withdraw(job)
            raise
        return job

    def warm(self, ready: Callable[[bool], None]) -> None:
        """Have an interpreter, and say then whether it answers; raises Refused."""
        self._start().when_ready(ready)

    def setenv(self, added: dict[str, str]) -> None:
        """What the programs find in their environment from now on."""
        running = self._running
        if running is None:
            return
        if running.fresh and any(name.startswith(_AT_START) for name in added):
            running.close()
            self._running = None
        else:
            running.environ.update(added)

    def limit(self) -> None:
        """Have the limit of processes that the agent hands on now."""
        if self._running is not None:
            self._running.limit()

    def _next(self) -> None:
        while self._current is None and self._waiting:
            running = self._start()
            job = self._waiting.popleft()
            self._current = job
            if self._lost:
                job.note, self._lost = self._lost, ""
            running.run(job)

    def _start(self) -> _Interpreter:
        if self._running is None:
            self._running = _Interpreter(self._place, self._died)
        return self._running

    def _withdraw(self, job: PythonJob) -> None:
        job.detach()
        if job in self._waiting:
            self._waiting.remove(job)
        job.ended(alone=False)

    def _stop(self, job: PythonJob) -> None:
        running = self._running
        if job in self._waiting:
            self._waiting.remove(job)
            if job.timed_out:
                job.note = "the programs before this one took all of its time; it never started\n"
            job.ended(alone=False)
        elif running is not None and running.runs(job):
            running.kill()
            self._running = None

    def _over(self, job: Job, over: Callable[[Job], None]) -> None:
        if job is self._current:
            self._current = None
        over(job)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._current is None:
            try:
                self._next()
            except Refused as refused:
                job = self._waiting.popleft()
                job.note = f"{refused}\n"
                job.exit_code = 126
                job.ended(alone=False)

    def _died(
        self, interpreter: _Interpreter, job: PythonJob | None, code: int, cpu_s: float
    ) -> None:
        at_rest = interpreter is self._running and job is None and not interpreter.fresh
        if interpreter is self._running:
            self._running = None
        end = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        if at_rest:
            self._lost = f"python ended {end} since the last program; its variables are lost\n"
        if job is None:
            return
        if job.timed_out:
            end = f"after {job.order.timeout_s:g} s"
        job.note = f"python was ended {end}; its variables are lost\n"
        job.exit_code = code if code >= 0 else 128 - code
        job.cpu_s = cpu_s
        job.ended(alone=True)


class _Interpreter:
    """A process that runs one program after another."""

    def __init__(
        self,
        place: Place,
        died: Callable[[_Interpreter, PythonJob | None, int, float], None],
    ) -> None:
        self.environ: dict[str, str] = {}
        self.fresh = True
        self._place = place
        self._died = died
        self._frames = Deframer()
        self._ready: list[Callable[[bool], None]] | None = []
        self._unsent = memoryview(b"")
        self._cpu_s = 0.0
        self._job: PythonJob | None = None
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(4)]
        (commands, self._commands), (self._results, results), (out, out_end), (err, err_end) = pipes
        argv = [sys.executable, _INTERPRETER, str(commands), str(results)]
        try:
            self._pid = place.user.spawn(
                argv, subprocess.DEVNULL, out_end, err_end, (commands, results)
            )
        except BaseException:
            for fd in (self._commands, self._results, out, err):
                os.close(fd)
            raise
        finally:
            for fd in (commands, results, out_end, err_end):
                os.close(fd)
        os.set_blocking(self._commands, False)
        self._out, self._err = Stream(place, out, "out"), Stream(place, err, "err")
        place.reactor.watch(self._results, READABLE, self._hear)
        place.reactor.on_exit(self._pid, self._exited)

    def when_ready(self, ready: Callable[[bool], None]) -> None:
        """Call with True when it can run programs, with False when it has ended before."""
        if self._ready is None:
            ready(True)
        else:
            self._ready.append(ready)

    def run(self, job: PythonJob) -> None:
        """Run it now; nothing else runs."""
        self.fresh = False
        self._job = job
        for stream in (self._out, self._err):
            stream.discard()
        job.read_from(self._out, self._err)
        header = {"env": self.environ, "home": self._place.user.home}
        self.environ = {}
        self._unsent = memoryview(frame(header, job.order.code))
        self._say(0)

    def limit(self) -> None:
        """Have the limit of processes that the agent hands on now."""
        if self._pid:
            limits = resource.getrlimit(resource.RLIMIT_NPROC)
            with suppress(OSError):
                resource.prlimit(self._pid, resource.RLIMIT_NPROC, limits)

    def runs(self, job: PythonJob) -> bool:
        """True until the program has ended."""
        return self._job is job

    def kill(self) -> None:
        """End it, and what it has started."""
        if self._pid:
            processes.end(self._pid)

    def close(self) -> None:
        """End it without a word."""
        self.kill()
        self._out.close()
        self._err.close()

    def _say(self, _: int) -> None:
        try:
            count = os.write(self._commands, self._unsent[:65536])
            self._unsent = self._unsent[count:]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = memoryview(b"")
        if self._unsent:
            self._place.reactor.watch(self._commands, WRITABLE, self._say)
        else:
            self._place.reactor.forget(self._commands)

    def _hear(self, _: int) -> None:
        data = os.read(self._results, 4096)
        try:
            for header, _payload in self._frames.feed(data):
                self._heard(json.loads(header))
        except (FramingLost, ValueError, RecursionError, TypeError, KeyError, AttributeError):
            # Only a program that writes where it should not can say such things.
            self._place.reactor.forget(self._results)
            self.kill()
            return
        if not data:
            # A program that has closed what it does not know may still come to its end.
            self._place.reactor.forget(self._results)

    def _heard(self, result: dict[str, Any]) -> None:
        total_s, exit_code = float(result["cpu_s"]), int(result["exit_code"])
        ready, self._ready = self._ready, None
        if ready is not None:
            self._cpu_s = total_s
            for call in ready:
                call(True)
            return
        job, self._job = self._job, None
        if job is not None:
            job.exit_code = exit_code & 0xFF
            job.cpu_s = max(0.0, total_s - self._cpu_s)
            self._cpu_s = total_s
            job.ended(alone=False)

    def _exited(self, code: int, cpu_s: float) -> None:
        # What it has started does not outlive it: nobody else could end a fork bomb in there.
        processes.end(self._pid)
        self._pid = 0
        for fd in (self._commands, self._results):
            self._place.reactor.forget(fd)
            os.close(fd)
        for stream in (self._out, self._err):
            self._place.linger(stream)
        for call in self._ready or ():
            call(False)
        job, self._job = self._job, None
        self._died(self, job, code, max(0.0, cpu_s - self._cpu_s))
