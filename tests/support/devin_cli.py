"""A command line for Devin, unmodified, in an environment of its own that is made once."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.client_environment import environment

WANTED: Final = "devin-cli==1.3.6"
RUN_S_MAX: Final = 120


class Ran(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class DevinCli:
    """The command line against the service at `url`, with `key`; it keeps its state in `home`."""

    def __init__(self, url: str, key: str, home: Path, version: str = "v1", **more: str) -> None:
        self._program = environment("devin-cli-1.3.6", [WANTED]) / "bin" / "devin"
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        self._home = home
        self._environment = {
            **inherited,
            "HOME": str(home),
            # It wraps what it prints, JSON too.
            "COLUMNS": "2000",
            "NO_COLOR": "1",
            "DEVIN_API_TOKEN": key,
            "DEVIN_BASE_URL": f"{url.rstrip('/')}/{version}",
            "DEVIN_API_VERSION": version,
            **more,
        }

    async def run(self, *words: str, stdin: bytes = b"", **env: str) -> Ran:
        """Run it to its end."""
        process = await asyncio.create_subprocess_exec(
            str(self._program),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env={**self._environment, **env},
        )
        try:
            async with asyncio.timeout(RUN_S_MAX):
                out, err = await process.communicate(stdin)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def said(self, *words: str, stdin: bytes = b"") -> str:
        """What a command that succeeds prints."""
        ran = await self.run(*words, stdin=stdin)
        assert ran.exit_code == 0, (words, ran)
        return ran.out

    async def told(self, *words: str, stdin: bytes = b"") -> Any:
        """The JSON that a command which succeeds prints."""
        return json.loads(await self.said("--json", *words, stdin=stdin))

    async def refused(self, *words: str, stdin: bytes = b"") -> str:
        """What a command that fails prints."""
        ran = await self.run(*words, stdin=stdin)
        assert ran.exit_code == 1, (words, ran)
        return ran.out
