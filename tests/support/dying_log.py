"""A log that dies at a named append, with the service that uses it.

It never answers any more from then on: whoever appends waits for ever, as the code of a process
does that was killed there.
"""

from __future__ import annotations

import asyncio
from typing import Any

from eventstore.commit import Append, Commit
from eventstore.memory import MemoryLog
from tests.support.script import Script


class Dying:
    """A log that dies at its append number `at`: before the commit is there, or after it."""

    def __init__(self, log: MemoryLog, script: Script, at: int, *, after: bool) -> None:
        self.dead = asyncio.Event()
        self.appends = 0
        self._log = log
        self._script = script
        self._at = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, wish: Append) -> Commit:
        """Append, unless it is dead or dies of it."""
        self.appends += 1
        if self.appends < self._at:
            return await self._log.append(wish)
        if self.appends == self._at and self._after:
            await self._log.append(wish)
        self._script.frozen = True
        self.dead.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")
