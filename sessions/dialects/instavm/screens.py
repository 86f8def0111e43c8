"""Who looks at which terminal: one client at a time, the latest one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from sessions.machine_terminals import Opened


class Leave(NamedTuple):
    """How a socket is to be closed."""

    code: int
    reason: str


class Look:
    """A client that looks at a terminal, until it is told to leave."""

    def __init__(self) -> None:
        self.told: asyncio.Future[Leave] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()

    def leave(self, how: Leave) -> None:
        """Tell it to leave; the first who does so says how."""
        if not self.told.done():
            self.told.set_result(how)


class Screens:
    """The clients that look at terminals."""

    def __init__(self) -> None:
        self._looks: dict[tuple[str, str], Look] = {}
        self._closed: Leave | None = None

    def watched(self, opened: Opened) -> bool:
        """True while a client looks at the terminal."""
        return (opened.vm, opened.id) in self._looks

    @contextlib.asynccontextmanager
    async def look(self, opened: Opened, instead: Leave) -> AsyncIterator[Look]:
        """Look at the terminal; whoever did until now has left when this begins, as `instead`."""
        place = opened.vm, opened.id
        earlier, look = self._looks.get(place), Look()
        self._looks[place] = look
        try:
            if earlier is not None:
                earlier.leave(instead)
                await earlier.left.wait()
            if self._closed is not None:
                look.leave(self._closed)
            yield look
        finally:
            look.left.set()
            if self._looks.get(place) is look:
                del self._looks[place]

    def close(self, how: Leave) -> None:
        """Tell everybody to leave, and those who come."""
        self._closed = how
        for look in self._looks.values():
            look.leave(how)
