"""The service as a process of its own: started, waited for and killed by its own id.

Whatever a test does, the process ends with the `async with` that started it, or with the test
process itself; what it wrote is kept in files without a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import aiohttp

ROOT: Final = Path(__file__).resolve().parents[2]
ADMIN_KEY: Final = "adm_tests"
# They only keep a test from hanging: a busy machine may be ten times slower than a quick one.
START_S_MAX: Final = 120.0
EXIT_S_MAX: Final = 60.0
ANSWER_S_MAX: Final = 120.0
POLL_S: Final = 0.005
READY: Final = "ready "


class Service:
    """One run of `python -m sessions serve`."""

    def __init__(self, process: subprocess.Popen[bytes], out: IO[bytes], err: IO[bytes]) -> None:
        self._process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return _text(self._out)

    @property
    def stderr(self) -> str:
        """What it has logged so far."""
        return _text(self._err)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def url(self) -> str:
        """Where it answers; only once it is ready."""
        return self.stdout.splitlines()[-1].removeprefix(READY)

    @property
    def port(self) -> int:
        """The port it took; only once it is ready."""
        return int(self.url.rpartition(":")[2])

    async def ready(self) -> None:
        """Return when it has printed its ready line; fails if it ends before."""

        def told() -> bool:
            assert self.exit_code is None, f"ended with {self.exit_code}:\n{self.stderr}"
            out = self.stdout
            return out.endswith("\n") and out.splitlines()[-1].startswith(READY)

        await eventually(told, START_S_MAX, "the ready line")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and nothing of it runs when this returns."""
        self._process.kill()
        self._process.wait(EXIT_S_MAX)

    async def exited(self, timeout_s: float = EXIT_S_MAX) -> int:
        """Its exit code, once it has ended by itself."""
        await eventually(lambda: self.exit_code is not None, timeout_s, "the end of the service")
        return self._process.returncode

    async def stop(self) -> float:
        """SIGTERM; fails unless it exits with 0. How many seconds it took."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        code = await self.exited()
        assert code == 0, f"exit code {code}:\n{self.stderr}"
        return time.monotonic() - began

    def client(self, **more: Any) -> aiohttp.ClientSession:
        """A client with the admin key; the caller closes it."""
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
        return aiohttp.ClientSession(self.url, headers=headers, timeout=timeout, **more)

    def close(self) -> None:
        """Kill it if it still runs."""
        self.kill()
        self._out.close()
        self._err.close()


def start(
    folder: Path | str,
    *options: str,
    port: int = 0,
    module: str = "sessions",
    wrapper: Sequence[str] = (),
    environ: Mapping[str, str | None] | None = None,
    stderr: IO[Any] | None = None,
) -> Service:
    """Start the service on `folder`; `wrapper` is a command that runs the one after it.

    `module` runs as the service, where that is not to be quite as it is.
    A variable of `environ` that is None is not set. The caller closes the service.
    """
    command = [sys.executable, "-m", module, "serve", "--data", str(folder)]
    command += ["--port", str(port), *options]
    given = {"SESSIOND_ADMIN_KEY": ADMIN_KEY, **(environ or {})}
    return Service(*launched([*wrapper, *dies_with_us(), *command], given, stderr))


def launched(
    command: Sequence[str],
    environ: Mapping[str, str | None],
    stderr: IO[Any] | None = None,
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """A process of this tree, and the files without a name for what it prints and logs."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SESSIOND_")}
    given = {**inherited, "PYTHONPATH": str(ROOT), **environ}
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    err = tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={name: value for name, value in given.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=stderr or err,
    )
    return process, out, err


@contextlib.asynccontextmanager
async def serving(folder: Path | str, *options: str, **how: Any) -> AsyncIterator[Service]:
    """A service that is ready; killed at the end if it still runs."""
    service = start(folder, *options, **how)
    try:
        await service.ready()
        yield service
    finally:
        service.close()


async def refused(folder: Path | str, *options: str, **how: Any) -> tuple[int, str]:
    """The exit code and the words of a service that is not to start."""
    service = start(folder, *options, **how)
    try:
        return await service.exited(START_S_MAX), service.stderr
    finally:
        service.close()


async def eventually(holds: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return when `holds()`; fails after `timeout_s`."""
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(POLL_S)


def dies_with_us() -> list[str]:
    """What runs the command after it: a test run that is killed leaves nothing behind."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL", "--"] if found else []


def _text(file: IO[bytes]) -> str:
    # Not by the file's own offset: the process writes at it.
    return os.pread(file.fileno(), 1 << 24, 0).decode(errors="replace")
