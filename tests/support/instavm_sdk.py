"""InstaVM's own client, unmodified, in an environment of its own that is made once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.client_environment import environment

WANTED: Final = "instavm==0.26.1"
RUN_S_MAX: Final = 600
DRIVER: Final = Path(__file__).with_name("instavm_driver.py")


class Ran(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class Client:
    """The client against the service at `url`, with `key`; it keeps its settings in `home`."""

    def __init__(self, url: str, key: str, home: Path) -> None:
        self._bin = environment("instavm", [WANTED]) / "bin"
        self._url = url
        self._key = key
        self._home = home

    async def scenario(self, name: str, *more: str) -> None:
        """Play a scenario of the driver; fails as it fails."""
        ran = await self._run("python", "-P", str(DRIVER), name, self._url, self._key, *more)
        assert ran.exit_code == 0, f"{name}:\n{ran.out[-5000:]}\n{ran.err[-5000:]}"

    async def cli(self, *words: str, stdin: bytes = b"", key: str | None = None) -> Ran:
        """Run the client's command line."""
        return await self._run("instavm", *words, stdin=stdin, key=key)

    async def at_terminal(self, *words: str, typed: Sequence[tuple[bytes, bytes]]) -> int:
        """The exit code of a command that runs at a terminal.

        Each of `typed` is what is typed next, and what must have been shown by then.
        """
        here, there = os.openpty()
        try:
            os.set_blocking(here, False)
            process = await self._start("instavm", *words, at=there)
            os.close(there)
            try:
                async with asyncio.timeout(RUN_S_MAX):
                    for keys, shown in typed:
                        await _until(here, shown)
                        os.write(here, keys)
                    return await process.wait()
            finally:
                await _end(process)
        finally:
            os.close(here)

    async def _run(
        self, program: str, *words: str, stdin: bytes = b"", key: str | None = None
    ) -> Ran:
        process = await self._start(program, *words, key=key)
        try:
            async with asyncio.timeout(RUN_S_MAX):
                out, err = await process.communicate(stdin)
        finally:
            await _end(process)
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def _start(
        self, program: str, *words: str, key: str | None = None, at: int = asyncio.subprocess.PIPE
    ) -> Process:
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        return await asyncio.create_subprocess_exec(
            str(self._bin / program),
            *words,
            stdin=at,
            stdout=at,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env={
                **inherited,
                "HOME": str(self._home),
                "INSTAVM_API_KEY": self._key if key is None else key,
                "INSTAVM_BASE_URL": self._url,
                "NO_COLOR": "1",
            },
        )


async def _until(terminal: int, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        with contextlib.suppress(BlockingIOError):
            seen += os.read(terminal, 4096)
            continue
        await asyncio.sleep(0.02)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
