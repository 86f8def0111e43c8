"""Which browsers a service has, by its settings and by its host: real ones, or none and why."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from sessions.runtimes.browser.addresses import allowed
from sessions.runtimes.browser.availability import find_chromium
from sessions.runtimes.browser.port import (
    Browser,
    Browsers,
    Picture,
    RuntimeUnavailable,
    Wanted,
)
from sessions.runtimes.browser.sweep import BROWSERS_FOLDER, sweep
from sessions.settings import Settings

if TYPE_CHECKING:
    from sessions.runtimes.browser.runtime import Chromium

_log = structlog.get_logger()

RUNTIME: Final = "sessions.runtimes.browser.runtime"


class NoBrowsers:
    """Makes no browser, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def warm_count(self) -> int:
        """None."""
        return 0

    async def check(self) -> None:
        """Raises RuntimeUnavailable."""
        raise RuntimeUnavailable(self._why)

    async def open(self) -> None:
        """There is nothing to sweep."""

    async def start(self, wanted: Wanted) -> Browser:
        """Raises RuntimeUnavailable."""
        raise RuntimeUnavailable(self._why)

    async def film(self, pictures: Sequence[Picture], into: Path) -> None:
        """Raises RuntimeUnavailable."""
        raise RuntimeUnavailable(self._why)

    async def close(self) -> None:
        """There is nothing to end."""


class HostBrowsers:
    """Browsers of this host; what they need is looked for when the first one is wanted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fit = False
        self._chromium: Chromium | None = None

    @property
    def warm_count(self) -> int:
        """How many browsers wait, warm."""
        return 0 if self._chromium is None else self._chromium.warm_count

    async def check(self) -> None:
        """Return where browsers can be had; raises RuntimeUnavailable. Cheap after the first."""
        if self._fit:
            return
        await asyncio.to_thread(find_chromium, self._settings.browser_program or "")
        # Not on the loop: hundreds of modules are read.
        await asyncio.to_thread(importlib.import_module, RUNTIME)
        self._fit = True

    async def open(self) -> None:
        """Sweep what was left, and begin to keep a spare where that is wanted. Never raises."""
        if (self._settings.folder / BROWSERS_FOLDER).exists():
            try:
                await asyncio.to_thread(sweep, self._settings.folder)
            except OSError as error:
                _log.warning("browsers.not_swept", error=str(error))
        if not self._settings.browser_warm:
            return
        try:
            await self.check()
        except RuntimeUnavailable:
            return  # whoever wants a browser is told why there is none
        await self._browsers().open()

    async def start(self, wanted: Wanted) -> Browser:
        """A browser with one empty page; raises RuntimeUnavailable or BrowserFailed."""
        await self.check()
        return await self._browsers().start(wanted)

    async def film(self, pictures: Sequence[Picture], into: Path) -> None:
        """Write an MP4 of the pictures; raises RuntimeUnavailable or BrowserFailed."""
        await self.check()
        await self._browsers().film(pictures, into)

    async def close(self) -> None:
        """End every browser; no process is left, also none that hangs."""
        if self._chromium is not None:
            await self._chromium.close()

    def _browsers(self) -> Chromium:
        if self._chromium is None:
            # Only here: a service without the extra has no Playwright, and needs none.
            from sessions.runtimes.browser.guard import Guard
            from sessions.runtimes.browser.runtime import Chromium

            self._chromium = Chromium(
                self._settings.folder,
                Guard(allowed(self._settings.browser_allow)),
                program=self._settings.browser_program or "",
                warm=self._settings.browser_warm,
                per_process=self._settings.browsers_per_process,
            )
        return self._chromium


def browsers_of(settings: Settings) -> Browsers:
    """The browsers of a service with these settings."""
    if settings.browsers == "off":
        why = "browsers are switched off here: start the service with --browsers auto"
        return NoBrowsers(why)
    return HostBrowsers(settings)
