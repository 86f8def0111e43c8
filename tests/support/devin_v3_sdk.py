"""Devin's own client for v3, unmodified, in an environment of its own that is made once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.client_environment import environment, play

WANTED: Final = "devinai==0.1.0"
RUN_S_MAX: Final = 250
DRIVER: Final = Path(__file__).with_name("devin_v3_driver.py")


class Client:
    """The client against the service at `url`, with `key`, in `home`."""

    def __init__(self, url: str, key: str, home: Path) -> None:
        self._made = environment("devinai", [WANTED])
        self._words = url, key
        self._home = home

    async def scenario(self, name: str, *more: str) -> None:
        """Play a scenario of the driver; fails as it fails."""
        words = (name, *self._words, *more)
        await play(self._made, DRIVER, words, self._home, RUN_S_MAX)
