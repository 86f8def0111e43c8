"""Real browsers for tests: the runtime on its own, with loopback allowed, and what it may leave."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sessions.runtimes.browser.addresses import allowed
from sessions.runtimes.browser.availability import obstacle_to
from sessions.runtimes.browser.guard import Guard
from sessions.runtimes.browser.port import Wanted
from sessions.runtimes.browser.runtime import Chromium
from sessions.runtimes.browser.sweep import orphans, run_folder, scratch_folder
from tests.support.process import eventually
from tests.support.process_family import Family

LACKING = obstacle_to()
needs_chromium = pytest.mark.skipif(
    LACKING is not None, reason=" ".join(LACKING) if LACKING else "there is a Chromium"
)
GONE_S = 60.0


def chromium(folder: Path, *, allow: str = "127.0.0.0/8", **how: Any) -> Chromium:
    """All browsers of a service in that folder, which may visit `allow` besides the public net."""
    return Chromium(folder, Guard(allowed(allow)), **how)


@contextlib.asynccontextmanager
async def browsing(
    folder: Path, *, allow: str = "127.0.0.0/8", **how: Any
) -> AsyncIterator[Chromium]:
    """The same, open; afterwards nothing of it is left."""
    browsers = chromium(folder, allow=allow, **how)
    await browsers.open()
    family = Family(os.getpid(), folder)
    try:
        yield browsers
        family.note()
    finally:
        await browsers.close()
    await eventually(lambda: not family.left(), GONE_S, f"the end of {family.left()}")
    assert left(folder) == []


def wanted(folder: Path, name: str = "one", **how: Any) -> Wanted:
    """A browser with a folder of its own there."""
    return Wanted(id=name, folder=folder / "browsers" / "files" / name, **how)


def left(folder: Path) -> list[object]:
    """Processes, profiles and sockets of browsers of that data folder."""
    run, scratch = run_folder(folder), scratch_folder(folder)
    profiles = list(run.iterdir()) if run.exists() else []
    return [*orphans(folder), *profiles, *([scratch] if scratch.exists() else [])]


async def nothing_left(folder: Path) -> None:
    """Return when no process of browsers of that folder runs; fails after a while."""
    await eventually(lambda: not orphans(folder), GONE_S, "the end of every process")
