"""Fan-out: each batch is filtered and encoded once per group of like clients, then written.

A client that keeps up is one write per batch. One that does not is cut off at a bounded buffer
with the position to resume from: it never slows the others, and it loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from eventstore.commit import Position, Recorded
from eventstore.ports import EventLog
from sessions.metrics import Metrics
from sessions.observe.protocol import (
    CLOSE_NOT_PERMITTED,
    Filter,
    event_json,
    http_chunk,
    sse,
    websocket_text,
)

# After so many writes the loop is given back, so that 10,000 clients do not stop the handlers.
WRITES_PER_TURN: Final = 250

_log = structlog.get_logger()


class Client(Protocol):
    """One open feed; `position` is how far it was told."""

    position: Position
    filter: Filter
    framing: Callable[[Recorded], bytes]
    permitted: Callable[[], bool]

    def write(self, chunk: bytes) -> bool:
        """Send whole frames; False if the client is too slow or gone."""
        ...

    def ping(self, position: Position) -> None:
        """Tell that nothing happened up to `position`."""
        ...

    def end(self, reason: str, code: int) -> None:
        """Say goodbye with the position to resume from, and close."""
        ...


def websocket_frame(recorded: Recorded) -> bytes:
    """A commit as a websocket frame."""
    return websocket_text(event_json(recorded))


def sse_frame(recorded: Recorded) -> bytes:
    """A commit as a server-sent event."""
    return sse("event", event_json(recorded), recorded.commit.position)


def sse_chunk(recorded: Recorded) -> bytes:
    """A commit as a server-sent event in an HTTP chunk."""
    return http_chunk(sse_frame(recorded))


class Broadcast:
    """All live clients, in groups of one filter and one framing."""

    def __init__(self, log: EventLog, metrics: Metrics, heartbeat_s: float) -> None:
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._open: dict[Client, None] = {}
        self._live: dict[tuple[Filter, Callable[[Recorded], bytes]], dict[Client, None]] = {}
        self._batches: list[Sequence[Recorded]] = []
        self._grown = asyncio.Event()
        log.listen(self._publish)

    def __len__(self) -> int:
        return len(self._open)

    def open(self, client: Client) -> None:
        """Count `client`, and say goodbye to it at the end."""
        self._open[client] = None
        self._metrics.observers.set(len(self._open))

    def close(self, client: Client) -> None:
        """Forget `client`."""
        self.leave(client)
        self._open.pop(client, None)
        self._metrics.observers.set(len(self._open))

    def join(self, client: Client) -> None:
        """From now on tell `client` everything after its position."""
        self._live.setdefault((client.filter, client.framing), {})[client] = None

    def leave(self, client: Client) -> None:
        """Tell `client` nothing more; safe to call twice."""
        key = client.filter, client.framing
        group = self._live.get(key)
        if group is not None and client in group:
            del group[client]
            if not group:
                del self._live[key]

    def _publish(self, batch: Sequence[Recorded]) -> None:
        if self._live:
            self._batches.append(batch)
            self._grown.set()

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fan_out(), name="fan out")
            group.create_task(self._beat(), name="heartbeat")

    async def _fan_out(self) -> None:
        while True:
            await self._grown.wait()
            self._grown.clear()
            batches, self._batches = self._batches, []
            await self._write([recorded for batch in batches for recorded in batch])

    async def _write(self, batch: Sequence[Recorded]) -> None:
        last = batch[-1].commit.position
        written = 0
        for (wanted, framing), clients in list(self._live.items()):
            taken = [recorded for recorded in batch if wanted.takes(recorded.commit)]
            chunk = b"".join(map(framing, taken))
            for client in list(clients):
                if client not in clients or client.position >= last:
                    continue
                late = client.position >= batch[0].commit.position
                self._tell(client, _after(taken, client, framing) if late else chunk, last)
                written += 1
                if written % WRITES_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _tell(self, client: Client, chunk: bytes, last: Position) -> None:
        if chunk and not client.write(chunk):
            self.leave(client)
            return
        client.position = last

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for number, client in enumerate(list(self._open)):
                if client.permitted():
                    client.ping(client.position)
                else:
                    client.end("key_revoked", CLOSE_NOT_PERMITTED)
                    self.leave(client)
                if number % WRITES_PER_TURN == 0:
                    await asyncio.sleep(0)

    def end_all(self, reason: str, code: int) -> None:
        """Say goodbye to everybody."""
        if self._open:
            _log.info("observers.closing", observers=len(self._open), reason=reason)
        for client in list(self._open):
            client.end(reason, code)
            self.leave(client)


def _after(
    taken: Sequence[Recorded], client: Client, framing: Callable[[Recorded], bytes]
) -> bytes:
    return b"".join(framing(r) for r in taken if r.commit.position > client.position)
