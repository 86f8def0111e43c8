"""Notte's client of the early API, unmodified, in an environment of its own (notte.md, 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.client_environment import environment, play

WANTED: Final = "notte==1.2.0"
# What the client needs of all that the package names; the rest drives browsers and models.
NEEDED: Final = ("requests", "loguru", "pydantic", "typing_extensions")
RUN_S_MAX: Final = 300
DRIVER: Final = Path(__file__).with_name("notte_early_driver.py")


async def scenario(name: str, url: str, key: str, home: Path, *more: str) -> None:
    """Play a scenario of the driver against the service at `url`; fails as it fails."""
    made = environment("notte-early", ["--no-deps", WANTED], NEEDED)
    await play(made, DRIVER, (name, url, key, *more), home, RUN_S_MAX)
