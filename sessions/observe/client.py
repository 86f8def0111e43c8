"""A feed on a transport: bounded, never awaited, and cut off where it does not keep up."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from eventstore.commit import Position, Recorded
from eventstore.feed import Feed
from sessions.metrics import Metrics
from sessions.observe.broadcast import Broadcast, sse_chunk, sse_frame, websocket_frame
from sessions.observe.protocol import (
    CLOSE_TOO_SLOW,
    CaughtUp,
    End,
    Filter,
    Frame,
    Ping,
    encode,
    http_chunk,
    sse,
    websocket_close,
    websocket_text,
)

# What a client that is cut off may still take to read what was written to it.
LINGER_S: Final = 5.0
CATCH_UP_PAGE: Final = 500
DRAIN_POLL_S: Final = 0.005
DRAIN_S_MAX: Final = 30.0


class TransportClient(abc.ABC):
    """What websocket and server-sent events share; the subclasses say how frames look."""

    framing: Callable[[Recorded], bytes]

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        wanted: Filter,
        position: Position,
        buffer_bytes_max: int,
        metrics: Metrics,
        permitted: Callable[[], bool],
    ) -> None:
        self.filter = wanted
        self.position = position
        self.ended = False
        self.permitted = permitted
        self._transport = transport
        self._buffer_bytes_max = buffer_bytes_max
        self._metrics = metrics

    @abc.abstractmethod
    def _frame(self, frame: Frame, position: Position) -> bytes:
        """A frame of the protocol as it goes out."""

    @abc.abstractmethod
    def _goodbye(self, code: int, reason: str) -> bytes:
        """What ends the stream."""

    @property
    def _full(self) -> bool:
        return self._transport.get_write_buffer_size() > self._buffer_bytes_max

    def write(self, chunk: bytes) -> bool:
        """Send whole frames; a client whose buffer is full is told where to resume, and closed."""
        if self.ended or self._transport.is_closing():
            return False
        if self._full:
            self._metrics.observers_slow.inc()
            self.end("too_slow", CLOSE_TOO_SLOW)
            return False
        self._transport.write(chunk)
        return True

    def send(self, frame: Frame) -> None:
        """Send a frame of the protocol."""
        if not self.ended and not self._transport.is_closing():
            self._transport.write(self._frame(frame, self.position))

    def ping(self, position: Position) -> None:
        """Tell that nothing happened up to `position`, unless there is more to read already."""
        if not self._transport.get_write_buffer_size():
            self.send(Ping(position))

    def end(self, reason: str, code: int) -> None:
        """Say goodbye with the position to resume from, and close."""
        if self.ended:
            return
        self.send(End(self.position, reason))
        self.ended = True
        if not self._transport.is_closing():
            self._transport.write(self._goodbye(code, f"{reason}: resume after {self.position}"))
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)
            self._transport.close()

    async def catch_up(self, feed: Feed, broadcast: Broadcast) -> bool:
        """Send everything up to the head, then go live without a gap; False if it broke off."""
        while self.position < feed.head:
            page = await feed.page(self.position, CATCH_UP_PAGE)
            for part in _parts(page, self._buffer_bytes_max):
                taken = [recorded for recorded in part if self.filter.takes(recorded.commit)]
                if taken and not self.write(b"".join(map(type(self).framing, taken))):
                    return False
                self.position = part[-1].commit.position
                await self._drained()
        self.send(CaughtUp(self.position))
        broadcast.join(self)
        return True

    async def _drained(self) -> None:
        deadline = asyncio.get_running_loop().time() + DRAIN_S_MAX
        while self._full and not self._transport.is_closing():
            if asyncio.get_running_loop().time() > deadline:
                return  # the next write finds the buffer full and says goodbye
            await asyncio.sleep(DRAIN_POLL_S)
        await asyncio.sleep(0)


def _parts(page: Sequence[Recorded], bytes_max: int) -> Iterator[list[Recorded]]:
    """The page in parts that end at `bytes_max` or one commit later."""
    part: list[Recorded] = []
    size = 0
    for recorded in page:
        part.append(recorded)
        size += len(recorded.body)
        if size >= bytes_max:
            yield part
            part, size = [], 0
    if part:
        yield part


class WebsocketClient(TransportClient):
    """A feed whose frames are websocket text frames."""

    framing = staticmethod(websocket_frame)

    def _frame(self, frame: Frame, _: Position) -> bytes:
        return websocket_text(encode(frame))

    def _goodbye(self, code: int, reason: str) -> bytes:
        return websocket_close(code, reason)


class SseClient(TransportClient):
    """A feed whose frames are server-sent events."""

    framing = staticmethod(sse_frame)

    def _frame(self, frame: Frame, position: Position) -> bytes:
        name = frame.__struct_config__.tag
        assert isinstance(name, str)
        return sse(name, encode(frame), position)

    def _goodbye(self, _: int, __: str) -> bytes:
        return b""


class ChunkedSseClient(SseClient):
    """Server-sent events in HTTP chunks, as HTTP/1.1 has them."""

    framing = staticmethod(sse_chunk)

    def _frame(self, frame: Frame, position: Position) -> bytes:
        return http_chunk(super()._frame(frame, position))

    def _goodbye(self, _: int, __: str) -> bytes:
        return http_chunk(b"")
