"""A process that starts without a copy of the service, and is watched and killed by its pidfd."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from sessions.runtimes.exit_codes import how_it_ended
from sessions.runtimes.undoing import undone

NICE: Final = 10
"""How far what runs for sessions stands back behind the loop that answers all of them."""

_WORDS_MAX: Final = 4096
_READ: Final = 65_536
_DYING_S: Final = 1.0

T = TypeVar("T")


class WatchedProcess:
    """A running process; spawned on the loop's thread, whose death would be the death of it.

    Its standard output and error are read all the time; the end of them is in `last_words`.
    A subclass says what it is `called`, and raises its `failure`.
    """

    called: ClassVar[str]
    failure: ClassVar[type[Exception]]

    def __init__(
        self,
        command: Sequence[str],
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Raises the failure where it cannot be started."""
        loop = asyncio.get_running_loop()
        self.died: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._words = bytearray()
        try:
            self._out, child_end = os.pipe()
        except OSError as error:
            raise self.failure(f"{command[0]} cannot be started: {error}") from None
        os.set_blocking(self._out, False)
        try:
            # Without a preexec_fn: a fork would copy the page tables of the whole service.
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=child_end,
                stderr=child_end,
                pass_fds=descriptors,
                start_new_session=True,
                cwd="/",
                env=environment,
            )
            self._pidfd = _watched(self._popen)
        except OSError as error:
            os.close(self._out)
            raise self.failure(f"{command[0]} cannot be started: {error}") from None
        finally:
            os.close(child_end)
        loop.add_reader(self._pidfd, self._reap)
        loop.add_reader(self._out, self._listen)

    @property
    def pid(self) -> int:
        """Its id, for as long as it lives."""
        return self._popen.pid

    @property
    def last_words(self) -> str:
        """The end of what it printed."""
        return self._words.decode(errors="replace").strip()

    def kill(self) -> None:
        """SIGKILL; `died` says when it is gone. Never hits another process."""
        if not self.died.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def unless_dead(
        self, awaited: Awaitable[T], timeout_s: float, what: str, still_s: float | None = None
    ) -> T:
        """What was awaited; raises the failure where the process dies or the time is over.

        With `still_s` also where it has not used the processor for so long.
        """
        task = asyncio.ensure_future(awaited)
        either: set[asyncio.Future[Any]] = {task, self.died}
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_any(either, still_s, what)
            if task.done():
                return task.result()
        except self.failure:
            # What it spoke through breaks a moment before it is gone, which says more.
            await asyncio.wait({self.died}, timeout=_DYING_S)
            if not self.died.done():
                raise
        except TimeoutError:
            raise self.failure(f"{what} took more than {timeout_s:g} s") from None
        finally:
            if not task.done():
                task.cancel()
                await undone(asyncio.wait({task}))
            if not task.cancelled():
                task.exception()
        raise self.failure(f"{self.called} ended while {what} was under way: {self.epitaph()}")

    async def _until_any(
        self, either: set[asyncio.Future[Any]], still_s: float | None, what: str
    ) -> None:
        used = self._ticks()
        first = asyncio.FIRST_COMPLETED
        while not (await asyncio.wait(either, timeout=still_s, return_when=first))[0]:
            before, used = used, self._ticks()
            if used == before:
                raise self.failure(f"{self.called} stands still while {what} is under way")

    def _ticks(self) -> list[str]:
        """How long it has run in its own code and in the kernel's."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return []

    def epitaph(self) -> str:
        """How it ended, and its last line."""
        line = (self.last_words.splitlines() or [""])[-1]
        return ": ".join(part for part in (how_it_ended(self.died.result()), line) if part)

    def _reap(self) -> None:
        code = self._popen.poll()
        if code is None:
            return
        self._listen()
        self._loop.remove_reader(self._pidfd)
        self._loop.remove_reader(self._out)
        os.close(self._pidfd)
        os.close(self._out)
        if not self.died.done():
            self.died.set_result(code)

    def _listen(self) -> None:
        try:
            words = os.read(self._out, _READ)
        except BlockingIOError:
            return
        if not words:
            self._loop.remove_reader(self._out)
            return
        self._words += words
        del self._words[:-_WORDS_MAX]


def _watched(popen: subprocess.Popen[bytes]) -> int:
    try:
        return os.pidfd_open(popen.pid)
    except OSError:
        popen.kill()
        popen.wait()
        raise
