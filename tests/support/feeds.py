"""Observers, well-behaved and not, and what they should have been told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from eventstore.commit import Position
from projections.subjects import fold, subject_of
from sessions.web.appkeys import LOG
from tests.support.logs import whole
from tests.support.service import ADMIN, API

OBSERVE = f"{API}/observe"
FEED = f"{API}/feed"
SSE = {"Accept": "text/event-stream"}
PATIENCE_S = 60.0
Query = Sequence[tuple[str, str]]


class Observer:
    """A websocket on the feed that reads."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def drop(self) -> None:
        """Leave without a handshake."""
        self.socket._response.close()

    async def frame(self) -> Any:
        """The next frame."""
        return await self.socket.receive_json(timeout=PATIENCE_S)

    async def until(self, *types: str) -> list[Any]:
        """The next frames up to and with one of these types; pings are left out."""
        frames: list[Any] = []
        while not frames or frames[-1]["type"] not in types:
            frame = await self.frame()
            if frame["type"] != "ping" or "ping" in types:
                frames.append(frame)
        return frames

    async def events(self, count: int) -> list[int]:
        """The positions of so many next events; nothing else may come between but pings."""
        found: list[int] = []
        while len(found) < count:
            frame = await self.frame()
            if frame["type"] != "ping":
                assert frame["type"] == "event", frame
                found.append(frame["position"])
        return found


async def observe(client: Any, query: Query | dict[str, Any] = (), **request: Any) -> Observer:
    """An observer; its first frame is still to be read."""
    return Observer(await client.ws_connect(OBSERVE, params=query, **request))


class Sent(NamedTuple):
    """A server-sent event."""

    id: int
    event: str
    data: Any


async def read_sse(content: Any) -> Sent:
    """The next event of a stream of server-sent events."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while (line := (await content.readline()).decode()) != "\n":
            if not line:
                raise EOFError
            name, _, value = line.removesuffix("\n").partition(": ")
            fields[name] = value
    assert fields.keys() == {"id", "event", "data"}
    return Sent(int(fields["id"]), fields["event"], msgspec.json.decode(fields["data"]))


class Stuck:
    """A websocket that takes the answer to its handshake and reads nothing after it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, client: Any, query: str = "") -> Stuck:
        """Connect with the smallest of buffers."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        plug.setblocking(False)
        address = (client.server.host, client.server.port)
        await asyncio.get_running_loop().sock_connect(plug, address)
        reader, writer = await asyncio.open_connection(sock=plug, limit=256)
        writer.write(
            f"GET {OBSERVE}?{query} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {ADMIN}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert b" 101 " in await reader.readline()
        while await reader.readline() != b"\r\n":
            pass
        return cls(reader, writer)

    def close(self) -> None:
        """Leave without a word."""
        self._writer.close()

    async def rest(self) -> tuple[list[Any], int]:
        """Read after all: every frame up to the close, and its code."""
        frames: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                opcode, payload = await self._frame()
                if opcode == 8:
                    self._writer.close()
                    return frames, int.from_bytes(payload[:2], "big")
                if opcode == 1:
                    frames.append(msgspec.json.decode(payload))

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self._reader.readexactly(2)
        assert first & 0x80, "no frame of ours is fragmented"
        if size == 126:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self._reader.readexactly(8), "big")
        return first & 0x0F, await self._reader.readexactly(size)


async def expected(client: Any, query: Query, tenant: str | None = None) -> list[int]:
    """The positions that a feed with these filters must tell, from folding the whole log."""
    wanted: dict[str, set[str]] = {}
    for name, value in query:
        wanted.setdefault(name, set()).add(value)
    states: dict[str, Any] = {}
    told: list[int] = []
    for recorded in await whole(client.server.app[LOG]):
        commit = recorded.commit
        subject = subject_of(commit.stream)
        assert subject is not None
        states[commit.stream] = state = fold(subject, states.get(commit.stream), commit)
        if subject.table in ("sessions", "vms") and tenant in (None, commit.tenant):
            session = state.id if subject.table == "sessions" else state.session
            kind = state.kind if subject.table == "sessions" else "vm"
            labels = set(getattr(state, "labels", ()))
            if (
                session in wanted.get("session", {session})
                and kind in wanted.get("kind", {kind})
                and state.status in wanted.get("status", {state.status})
                and wanted.get("label", set()) <= labels
                and commit.tenant in wanted.get("tenant", {commit.tenant})
            ):
                told.append(commit.position)
    return told


async def stored(client: Any, position: int) -> Any:
    """The commit at `position` as the log stores it."""
    (recorded,) = await client.server.app[LOG].read(Position(position - 1), 1)
    return msgspec.json.decode(recorded.body)
