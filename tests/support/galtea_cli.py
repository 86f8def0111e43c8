"""Galtea's command line, a Go program, unmodified, in an environment that is made once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.support.client_environment import environment
from tests.support.command_line import CommandLine

WANTED: Final = "galtea-cli==5.13.0"


class GalteaCli(CommandLine):
    """The command line with `key`; it keeps what it has learnt of the service in `home`."""

    def __init__(self, key: str, home: Path) -> None:
        # The program itself: the script of the package would only start it.
        [program] = environment("galtea-cli", [WANTED]).glob("lib/*/*/galtea_cli/bin/galtea")
        told = {
            "GALTEA_API_KEY": key,
            "GALTEA_CONFIG_DIR": str(home / "config"),
            "GALTEA_CACHE_DIR": str(home / "cache"),
        }
        super().__init__(program, home, told)

    async def told(self, *words: str) -> Any:
        """The JSON that a command prints; fails as it fails."""
        ran = await self.run(*words)
        assert ran.exit_code == 0, (words, ran)
        return json.loads(ran.out) if ran.out.strip() else None
