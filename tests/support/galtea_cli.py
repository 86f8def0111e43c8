"""Galtea's command line, a Go program, unmodified, in an environment that is made once."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.client_environment import environment

WANTED: Final = "galtea-cli==5.13.0"
RUN_S_MAX: Final = 60


class Ran(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class GalteaCli:
    """The command line with `key`; it keeps what it has learnt of the service in `home`."""

    def __init__(self, key: str, home: Path) -> None:
        # The program itself: the script of the package would only start it.
        [self._program] = environment("galtea-cli", [WANTED]).glob("lib/*/*/galtea_cli/bin/galtea")
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        self._home = home
        self._environment = {
            **inherited,
            "HOME": str(home),
            "GALTEA_API_KEY": key,
            "GALTEA_CONFIG_DIR": str(home / "config"),
            "GALTEA_CACHE_DIR": str(home / "cache"),
            "NO_COLOR": "1",
        }

    async def run(self, *words: str, **env: str) -> Ran:
        """Run it to its end."""
        process = await asyncio.create_subprocess_exec(
            str(self._program),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env={**self._environment, **env},
        )
        try:
            async with asyncio.timeout(RUN_S_MAX):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def told(self, *words: str) -> Any:
        """The JSON that a command prints; fails as it fails."""
        ran = await self.run(*words)
        assert ran.exit_code == 0, (words, ran)
        return json.loads(ran.out) if ran.out.strip() else None
