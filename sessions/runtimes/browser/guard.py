"""The guard: every byte between a page and the net goes through it, and it says no.

Each session has a door of its own, a forward proxy on a port of the loopback. A door instead of a
login, because a browser that has to log in at a proxy is made to ask the driver about each of its
requests and to keep no cache. What connects to a door must be a process of the service's user.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sessions.runtimes.browser import forward_proxy
from sessions.runtimes.browser.addresses import Allowed, canonical
from sessions.runtimes.browser.dialing import (
    RESOLVING_MAX,
    STREAM_BYTES,
    Dialer,
    Resolve,
    Unreachable,
)
from sessions.runtimes.browser.http_heads import Asked, answer
from sessions.runtimes.browser.peers import is_own_process
from sessions.runtimes.browser.port import UpstreamProxy
from sessions.runtimes.browser.upstream import Upstream, upstream_of

HOST: Final = "127.0.0.1"
NOTHING_PASSES_BY: Final = "<-loopback>"
"""What goes past the proxy, in a browser's words: not even what it takes for itself."""
BACKLOG: Final = 256
CONNECTIONS_MAX: Final = 256
TROUBLES_KEPT: Final = 256
CLOSE_S: Final = 2.0

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Trouble(NamedTuple):
    """What was not reached, and why; of a tunnel nobody knows what was wanted behind it."""

    number: int
    host: str
    port: int
    path: str | None
    reason: str


class Door:
    """The way of one session to the net; `server` is the proxy that its context must use."""

    def __init__(self, dialer: Dialer, via: Upstream | None) -> None:
        self.via = via
        self.turns = asyncio.Semaphore(RESOLVING_MAX)
        self.server = ""
        self.port = 0
        self._dialer = dialer
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._received = 0
        self._number = 0
        self._troubles: deque[Trouble] = deque(maxlen=TROUBLES_KEPT)

    async def open(self) -> None:
        """Listen; raises OSError, and leaves nothing behind then, nor where it is cancelled."""
        # To begin at once would leave the socket to nobody when that is cancelled.
        self._listening = await asyncio.start_server(
            self._connected, HOST, 0, limit=STREAM_BYTES, backlog=BACKLOG, start_serving=False
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        self.server = f"http://{HOST}:{self.port}"
        self._dialer.kept_back.add(self.port)
        try:
            await self._listening.start_serving()
        except BaseException:
            await self.close()
            raise

    @property
    def living(self) -> bool:
        """True until it is closed."""
        return self._listening is not None

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes sent and received so far, by all connections of the session."""
        return self._sent, self._received

    @property
    def mark(self) -> int:
        """Where the troubles are now, for `trouble`."""
        return self._number

    def trouble(self, url: str, mark: int = 0) -> str:
        """Why what the URL names was not reached, last time after the mark; empty if it was."""
        wanted = _wanted(url)
        for each in reversed(self._troubles):
            if each.number <= mark:
                break
            if (each.host, each.port, each.path) == wanted:
                return each.reason
        return ""

    def last_trouble(self, mark: int = 0) -> str:
        """Why the last place was not reached, whichever it was, after the mark."""
        return self._troubles[-1].reason if self._number > mark and self._troubles else ""

    def sent(self, count: int) -> None:
        """So many bytes went out."""
        self._sent += count

    def received(self, count: int) -> None:
        """So many bytes came in."""
        self._received += count

    def failed(self, asked: Asked, error: Unreachable) -> None:
        """Remember why nothing came of what was asked for."""
        self._number += 1
        path = None if asked.tunnel else asked.path
        trouble = Trouble(self._number, canonical(asked.host), asked.port, path, error.reason)
        self._troubles.append(trouble)

    async def close(self) -> None:
        """Cut off every connection; may be repeated, never raises."""
        listening, self._listening = self._listening, None
        if listening is not None:
            try:
                await _deaf(listening)
            finally:
                listening.close()
                self._dialer.kept_back.discard(self.port)
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections, timeout=CLOSE_S)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listening is None:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(partial(self._served, writer))

    def _served(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        # Here, since a task that is cancelled before its first step runs nothing of its own.
        self._connections.discard(task)
        if task.cancelled():
            writer.transport.abort()
        else:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_own_process(writer):
            writer.write(answer(403, "Nobody else gets out by this door."))
        elif len(self._connections) > CONNECTIONS_MAX:
            writer.write(answer(503, "The browser has too many connections."))
        else:
            with contextlib.suppress(OSError, EOFError, ValueError):
                await forward_proxy.serve(reader, writer, self._dialer, self)


class Guard:
    """Makes the doors; what the operator allows is the same for all of them."""

    def __init__(self, allowed: Allowed, resolve: Resolve | None = None) -> None:
        self._dialer = Dialer(allowed, resolve)
        self._doors: set[Door] = set()

    def keep_back(self, port: int) -> None:
        """Let no page reach that port of the loopback, whatever the operator allows."""
        self._dialer.kept_back.add(port)

    def give_back(self, port: int) -> None:
        """Nothing of the service listens there any more."""
        self._dialer.kept_back.discard(port)

    async def door(self, proxy: UpstreamProxy | None = None) -> Door:
        """A door for a session; raises BadProxy for a proxy that cannot be used, and OSError."""
        door = Door(self._dialer, None if proxy is None else upstream_of(proxy))
        await door.open()
        self._doors = {each for each in self._doors if each.living} | {door}
        return door

    async def close(self) -> None:
        """Close every door; may be repeated, never raises."""
        await asyncio.gather(*(door.close() for door in self._doors))
        self._doors.clear()
        self._dialer.close()


async def _deaf(server: asyncio.Server) -> None:
    """No connection is on its way in afterwards: a server that is closed drops its socket."""
    for each in server.sockets:
        asyncio.get_running_loop().remove_reader(each.fileno())
    # What was accepted in this turn of the loop is attached in the next.
    await asyncio.sleep(0)


def _wanted(url: str) -> tuple[str, int, str | None]:
    """Host, port and what is asked for there, of which a tunnel says nothing."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", 0, None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return canonical(parts.hostname or ""), port, path if parts.scheme == "http" else None
