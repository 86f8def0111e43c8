"""The load generator: prebuilt requests over keep-alive connections, in a closed loop.

A process of its own, without an HTTP library: that would be the bottleneck. It reads a `Load` from
stdin and writes an `Answered` to stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time
from typing import Final

import msgspec

from scripts.bench.processes import Answered, Load
from scripts.bench.report import percentiles

ANSWER_S_MAX: Final = 30.0
POLL_S: Final = 0.01
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "


class Generator:
    """The connections of one load and what they saw together."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.requests = itertools.cycle(load.requests)
        self.status = str(load.status).encode("ascii")
        self.done = asyncio.Event()
        self.stopped = False
        self.sent = 0
        self.wrong = 0
        self.received = 0
        self.times: list[float] = []
        self.first_body = b""
        self.failed = ""

    async def run(self) -> Answered:
        """Load until the time is over."""
        loop = asyncio.get_running_loop()
        for _ in range(self.load.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.load.port)
        if self.load.warm_up_s:
            await asyncio.sleep(self.load.warm_up_s)
            self.times.clear()
            self.received = 0
        began, cpu = time.perf_counter(), time.process_time()
        loop.call_later(self.load.seconds, self.done.set)
        await self.done.wait()
        await self._first_answer()
        seconds, busy = time.perf_counter() - began, time.process_time() - cpu
        self.stopped = True
        if self.failed or not self.times:
            raise RuntimeError(self.failed or "no answers")
        return Answered(
            sent=self.sent,
            count=len(self.times),
            seconds=seconds,
            wrong=self.wrong,
            received=self.received,
            latency=percentiles(self.times),
            busy=round(busy / seconds, 2),
            first_body=self.first_body,
        )

    async def _first_answer(self) -> None:
        """What is slower than the whole time of the load still has a figure."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S_MAX):
                while not (self.times or self.failed):  # noqa: ASYNC110 - no event per answer
                    await asyncio.sleep(POLL_S)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, generator: Generator) -> None:
        self._all = generator
        self._buffer = b""
        self._missing = 0
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def _next(self) -> None:
        generator = self._all
        if generator.stopped or self._transport is None:
            return
        if generator.sent >= generator.load.requests_max:
            generator.done.set()
            return
        generator.sent += 1
        self._sent_at = time.perf_counter()
        self._transport.write(next(generator.requests))

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; when it is whole, note it and go on."""
        self._all.received += len(data)
        if self._missing:
            self._missing -= len(data)
            if self._missing > 0:
                return
        else:
            data = self._buffer + data
            end = data.find(_END)
            if end < 0:
                self._buffer = data
                return
            at = data.find(_LENGTH, 0, end)
            length = int(data[at + len(_LENGTH) : data.find(b"\r", at)]) if at > 0 else 0
            self._missing = end + len(_END) + length - len(data)
            self._look_at(data, end)
            if self._missing > 0:
                return
        self._missing = 0
        self._buffer = b""
        self._all.times.append(time.perf_counter() - self._sent_at)
        self._next()

    def _look_at(self, data: bytes, end: int) -> None:
        generator = self._all
        if data[9:12] != generator.status:
            generator.wrong += 1
            if not generator.failed:
                generator.failed = f"unexpected answer: {data[:600]!r}"
                generator.done.set()
        if not generator.first_body:
            generator.first_body = data[end + len(_END) :]

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up ends the run."""
        self._transport = None
        if not self._all.stopped:
            self._all.failed = self._all.failed or f"connection lost: {exc!r}"
            self._all.done.set()


def main() -> None:
    """Run the load that stands on stdin."""
    load = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Load)
    answered = asyncio.run(Generator(load).run())
    sys.stdout.buffer.write(msgspec.msgpack.encode(answered))


if __name__ == "__main__":
    main()
