"""The process of a Chromium: told apart by its profile, gone together with all its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import ClassVar, Final

from sessions.runtimes.browser.argv import DEBUGGER_FILE, Launch, command, debugger_url
from sessions.runtimes.browser.port import BrowserFailed
from sessions.runtimes.process import NICE, WatchedProcess
from sessions.runtimes.undoing import undone

SETPRIV: Final = "setpriv"
SHARED_MEMORY: Final = Path("/dev/shm")
SHARED_MEMORY_BYTES: Final = 1 << 30
"""With less room there, pages of several sessions would crash: files are used instead."""

_PROC: Final = Path("/proc")
_POLL_S: Final = 0.01
_UNLESS_ORPHANED: Final = 'test "$PPID" = "$0" && exec "$@"'
_NO_SANDBOX: Final = "No usable sandbox"
_ENVIRONMENT_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LANGUAGE", "TZ", "FONTCONFIG_PATH")


class NoSandbox(BrowserFailed):
    """Chromium refuses to run without a sandbox, and can have none."""


class ChromiumProcess(WatchedProcess):
    """The first process of a Chromium; the others are in its group and do not outlive it."""

    called: ClassVar[str] = "Chromium"
    failure: ClassVar[type[Exception]] = BrowserFailed

    def kill(self) -> None:
        """SIGKILL for all of them; `died` says when the first is gone."""
        if not self.died.done():
            self._kill_group()

    def _reap(self) -> None:
        # Until it is reaped nobody else can have its number, so this hits no stranger. A page that
        # is busy for ever would look around only later.
        self._kill_group()
        super()._reap()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


async def launch(
    how: Launch, profile: Path, scratch: Path, timeout_s: float
) -> tuple[ChromiumProcess, str]:
    """A Chromium that listens, and the URL of its debugger; raises BrowserFailed.

    `profile` and `scratch` are its own folders; its sockets are in the second, whose path is short.
    """
    # A service that died before the signal was asked for sends none: nobody starts for it.
    orphaned = ("/bin/sh", "-c", _UNLESS_ORPHANED, str(os.getpid()))
    setpriv = shutil.which(SETPRIV) or SETPRIV
    bound = (setpriv, "--pdeathsig", "KILL", "--", *orphaned)
    behind = (shutil.which("nice") or "nice", "-n", str(NICE))
    line = [*how.cover, *bound, *behind, *command(how, str(profile))]
    process = ChromiumProcess(line, (), _environment(profile, scratch))
    try:
        url = await process.unless_dead(_debugger(profile), timeout_s, "the start of Chromium")
    except BaseException as error:
        await undone(_ended(process))
        if isinstance(error, BrowserFailed) and _NO_SANDBOX in process.last_words:
            raise NoSandbox(
                "Chromium has no sandbox here: apt-get install chromium-sandbox, or allow user "
                "namespaces"
            ) from None
        raise
    return process, url


async def _ended(process: ChromiumProcess) -> None:
    process.kill()
    await process.died


def memory_of(session: int) -> int:
    """The proportional share of memory of all processes that a Chromium is made of. Blocks."""
    used = 0
    for place in _PROC.iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if place.name.isdigit() and _session_of(place) == session:
                used += share_of(int(place.name))
    return used


def share_of(pid: int) -> int:
    """The proportional share of memory of one process; 0 if it is gone. Blocks."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _session_of(place: Path) -> int:
    return int((place / "stat").read_text().rpartition(")")[2].split()[3])


async def _debugger(profile: Path) -> str:
    while True:
        with contextlib.suppress(OSError):
            url = debugger_url((profile / DEBUGGER_FILE).read_text())
            if url is not None:
                return url
        await asyncio.sleep(_POLL_S)


def much_shared_memory() -> bool:
    """True where Chromium can use the host's shared memory. Blocks."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(SHARED_MEMORY).free >= SHARED_MEMORY_BYTES
    return False


def _environment(profile: Path, scratch: Path) -> dict[str, str]:
    """No proxy, key or display of the service: only what a browser needs."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}
    home = {"HOME": str(profile), "TMPDIR": str(scratch)}
    return {**kept, **home, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
