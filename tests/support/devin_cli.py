"""A command line for Devin, unmodified, in an environment of its own that is made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.support.client_environment import environment
from tests.support.command_line import CommandLine

WANTED: Final = "devin-cli==1.3.6"


class DevinCli(CommandLine):
    """The command line against the service at `url`, with `key`; it keeps its state in `home`."""

    def __init__(self, url: str, key: str, home: Path, version: str = "v1", **more: str) -> None:
        told = {
            # It wraps what it prints, JSON too.
            "COLUMNS": "2000",
            "DEVIN_API_TOKEN": key,
            "DEVIN_BASE_URL": f"{url.rstrip('/')}/{version}",
            "DEVIN_API_VERSION": version,
            **more,
        }
        super().__init__(environment("devin-cli-1.3.6", [WANTED]) / "bin" / "devin", home, told)

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
