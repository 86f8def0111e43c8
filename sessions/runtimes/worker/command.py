"""A command that runs for one session: in a process group, gone with all that is in it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from sessions.runtimes.worker.strays import end_strays

NEEDED: Final = ("sh", "timeout", "head")
"""Programs that guard a command."""

MARK: Final = "SESSIOND_SESSION"
"""The variable that tells whose command a process belongs to."""
STRAYS_LOOKS_MAX: Final = 100
STRAYS_S: Final = 0.01
BEAT_SHARE: Final = 0.1
"""The guard is told at most once in this part of its time: it starts a program each time."""

# Little at a time: a command that shouts must not keep all others waiting for its lines.
_CHUNK: Final = 8 << 10
_LIFELINE: Final = 3
_DESCRIPTOR_MIN: Final = 10
_BEAT: Final = b"."
# The guard is nobody's child, so that the command may wait for all of its own. It kills the group
# when the worker is dead, which closes the lifeline, or silent for too long: it may be stopped.
_GUARDED: Final = """
( { trap '' HUP INT TERM
    while [ -n "$(timeout -s KILL "$1" head -c 1 <&3)" ]; do :; done
    kill -KILL 0
} </dev/null >/dev/null 2>&1 & )
shift
exec "$@" 3<&-
"""
_SIGNALS: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CommandError(Exception):
    """The command cannot be run."""


def found(command: Sequence[str]) -> list[str]:
    """The command with the path of its program; raises CommandError that says what is missing."""
    for name in NEEDED:
        if shutil.which(name) is None:
            raise CommandError(f"the program {name} is missing, which guards commands")
    program = shutil.which(command[0])
    if program is None:
        raise CommandError(f"there is no program {command[0]}")
    return [os.path.abspath(program), *command[1:]]  # noqa: PTH100 - a Path would follow `..`


class Command:
    """A running command; its output and errors must be read, or it will have to wait."""

    _running: ClassVar[set[int]] = set()

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], guard_s: float
    ) -> None:
        """Raises CommandError. Without a `beat` for `guard_s` seconds the command is killed."""
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._waiting: set[asyncio.Event] = set()
        self._beat_every_s = guard_s * BEAT_SHARE
        self._beaten = self._loop.time()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                stdin, self._stdin = _pipe(theirs, ours)
                self._stdout, stdout = _pipe(ours, theirs)
                self._stderr, stderr = _pipe(ours, theirs)
                lifeline, self._lifeline = _pipe(theirs, ours)
                handed = (stdin, stdout, stderr, lifeline)
                self.pid = os.posix_spawn(
                    shutil.which("sh") or "/bin/sh",
                    ["sh", "-c", _GUARDED, "sh", f"{guard_s:.3f}", *command],
                    dict(environment),
                    file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate(handed)],
                    setsid=True,
                    setsigdef=_SIGNALS,
                )
            except (OSError, ValueError) as error:
                raise CommandError(f"{command[0]} cannot be started: {error}") from None
            self._ours = ours.pop_all()
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            self._kill_group()
            os.waitpid(self.pid, 0)
            self._ours.close()
            raise CommandError(f"{command[0]} cannot be watched: {error}") from None
        self._running.add(self.pid)
        self._mark = f"{MARK}={environment[MARK]}"
        self._loop.add_reader(self._pidfd, self._reap)
        for fd in (self._stdin, self._stdout, self._stderr, self._lifeline):
            os.set_blocking(fd, False)

    def beat(self) -> None:
        """The session is still ours: the guard waits anew, where it has not just begun to."""
        now = self._loop.time()
        if now - self._beaten >= self._beat_every_s:
            self._beaten = now
            # A guard that is behind has beats enough.
            with contextlib.suppress(OSError):
                os.write(self._lifeline, _BEAT)

    def terminate(self) -> None:
        """SIGTERM for the whole group."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the whole group; `ended` says when the first of it is gone."""
        self._signal(signal.SIGKILL)

    async def close(self) -> None:
        """Nothing of the command is left when this returns."""
        self.kill()
        await asyncio.shield(self.ended)
        self._ours.close()
        # Who is killed may leave children of its own, which come to us a moment later.
        for _ in range(STRAYS_LOOKS_MAX):
            if not end_strays(self._mark, self._running):
                return
            await asyncio.sleep(STRAYS_S)

    async def output(self) -> bytes:
        """Some of what it printed; empty at the end, and where all is read once it has ended."""
        return await self._read(self._stdout)

    async def errors(self) -> bytes:
        """The same of its standard error."""
        return await self._read(self._stderr)

    async def write(self, data: bytes) -> bool:
        """Hand it some input; False once it reads no more."""
        while data:
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                await self._ready(self._stdin, self._loop.add_writer, self._loop.remove_writer)
            except OSError:
                return False
        return True

    def end_input(self) -> None:
        """It reads to the end of what was written."""
        # Something else takes the place, so that the descriptor is closed once, with the others.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stdin, inheritable=False)

    async def _read(self, fd: int) -> bytes:
        while True:
            try:
                return os.read(fd, _CHUNK)
            except BlockingIOError:
                # Whoever left the group may keep it open for ever.
                if self.ended.done():
                    return b""
                await self._ready(fd, self._loop.add_reader, self._loop.remove_reader)

    async def _ready(
        self, fd: int, add: Callable[..., object], remove: Callable[[int], object]
    ) -> None:
        ready = asyncio.Event()
        add(fd, ready.set)
        self._waiting.add(ready)
        try:
            await ready.wait()
        finally:
            self._waiting.discard(ready)
            remove(fd)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        # Until it is reaped nobody else can have its number: what it left behind goes with it.
        self._kill_group()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._running.discard(self.pid)
        self.ended.set_result(os.waitstatus_to_exitcode(status))
        for ready in self._waiting:
            ready.set()


def _pipe(read_with: contextlib.ExitStack, write_with: contextlib.ExitStack) -> tuple[int, int]:
    """The two ends, above those numbers that the command gets; closed with the stacks."""
    ends = os.pipe()
    with contextlib.ExitStack() as low:
        for end in ends:
            low.callback(os.close, end)
        read = fcntl.fcntl(ends[0], fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR_MIN)
        read_with.callback(os.close, read)
        write = fcntl.fcntl(ends[1], fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR_MIN)
        write_with.callback(os.close, write)
    return read, write
