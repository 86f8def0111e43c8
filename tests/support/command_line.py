"""A foreign command line, run to its end in a home and an environment of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

RUN_S_MAX: Final = 120
_INHERITED: Final = ("PATH", "LANG", "LC_ALL")


class Ran(NamedTuple):
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class CommandLine:
    """The program, which keeps its state in `home` and knows of the outside what it is told."""

    def __init__(self, program: Path, home: Path, told: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._program = program
        self._home = home
        self._environment = {**inherited, "HOME": str(home), "NO_COLOR": "1", **told}

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
