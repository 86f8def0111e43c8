"""A crowd of websocket observers and those who give it something to see, in one process.

Bare sockets and one epoll: frames are counted by what every event frame begins with, so that the
reader costs less than the server that it measures. Usage: observers SPEC; it says `connected`,
waits for a line, measures, and writes an `Observed` to stdout.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from scripts.bench.report import Latency, percentiles

MARK: Final = b'{"type":"event",'
EDGE: Final = len(MARK) - 1
CHUNK: Final = 1 << 18
CONNECT_S: Final = 30.0
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """`observers` sockets that send `handshake`; each of `posts` is repeated on its connection.

    At most as many events as there are posts are on their way to all observers at any moment.
    """

    port: int
    observers: int
    handshake: bytes
    posts: list[bytes]
    seconds: float
    warm_up_s: float
    settle_s: float


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived after the warm-up; `latency` is from a post to each of its frames."""

    deliveries: int
    events: int
    seconds: float
    frame_bytes: float
    latency: Latency
    busy: float


class _Poster:
    """A keep-alive connection that posts again when it was answered and the crowd kept up."""

    def __init__(self, port: int, post: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), CONNECT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.idle = True
        self._post = post
        self._answer = b""

    def post(self) -> None:
        self.idle = False
        self.socket.sendall(self._post)

    def read(self) -> None:
        data = self._answer + self.socket.recv(CHUNK)
        end = data.find(_END)
        at = data.find(_LENGTH, 0, end)
        if end < 0 or at < 0 or not data.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"unexpected answer: {data[:500]!r}")
        length = int(data[at + len(_LENGTH) : data.find(b"\r", at)])
        whole = len(data) >= end + len(_END) + length
        self._answer = b"" if whole else data
        self.idle = whole


class Watch:
    """The sockets of a crowd and what came over them."""

    def __init__(self, crowd: Crowd, stack: ExitStack) -> None:
        self._crowd = crowd
        self._epoll = stack.enter_context(select.epoll())
        self._observers: dict[int, socket.socket] = {}
        self._tails: dict[int, bytes] = {}
        self._posters: dict[int, _Poster] = {}
        self.posted = 0
        self.delivered = 0
        self.received = 0
        self.posted_at = 0.0
        self.times: list[float] = []
        for _ in range(crowd.observers):
            one = stack.enter_context(_observer(crowd))
            self._observers[one.fileno()] = one
            self._tails[one.fileno()] = b""
            self._epoll.register(one.fileno(), select.EPOLLIN)
        for post in crowd.posts:
            poster = _Poster(crowd.port, post)
            stack.enter_context(poster.socket)
            self._posters[poster.socket.fileno()] = poster
            self._epoll.register(poster.socket.fileno(), select.EPOLLIN)

    def settle(self, seconds: float) -> None:
        """Read what the server says first."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            self._read(left)

    def run(self, seconds: float) -> None:
        """Post and read for so long."""
        until = time.perf_counter() + seconds
        room = len(self._posters) * self._crowd.observers
        while time.perf_counter() < until:
            for poster in self._posters.values():
                if poster.idle and self.posted * self._crowd.observers < self.delivered + room:
                    self.posted += 1
                    self.posted_at = time.perf_counter()
                    poster.post()
            self._read(1.0)

    def _read(self, timeout: float) -> None:
        for number, _ in self._epoll.poll(timeout):
            observer = self._observers.get(number)
            if observer is None:
                self._posters[number].read()
                continue
            data = observer.recv(CHUNK)
            if not data:
                raise RuntimeError("the server hung up on an observer")
            self.received += len(data)
            found = data.count(MARK) + (self._tails[number] + data[:EDGE]).count(MARK)
            self._tails[number] = data[-EDGE:]
            if found:
                self.delivered += found
                self.times.append(time.perf_counter() - self.posted_at)


def _observer(crowd: Crowd) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", crowd.port), CONNECT_S)
    made.sendall(crowd.handshake)
    answer = b""
    while _END not in answer:
        data = made.recv(1)  # what follows the head is the first frame
        if not data:
            break
        answer += data
    if not answer.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"no websocket: {answer!r}")
    return made


def _measured(crowd: Crowd) -> Iterator[Observed]:
    with ExitStack() as stack:
        watch = Watch(crowd, stack)
        watch.settle(crowd.settle_s)
        print("connected", flush=True)
        sys.stdin.readline()
        watch.run(crowd.warm_up_s)
        watch.times.clear()
        posted, delivered, received = watch.posted, watch.delivered, watch.received
        began, cpu = time.perf_counter(), time.process_time()
        watch.run(crowd.seconds)
        seconds = time.perf_counter() - began
        deliveries = watch.delivered - delivered
        yield Observed(
            deliveries=deliveries,
            events=watch.posted - posted,
            seconds=seconds,
            frame_bytes=(watch.received - received) / max(1, deliveries),
            latency=percentiles(watch.times or [0.0]),
            busy=round((time.process_time() - cpu) / seconds, 2),
        )


def main() -> None:
    """Measure the crowd in the file that the one argument names."""
    crowd = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Crowd)
    for observed in _measured(crowd):
        sys.stdout.buffer.write(msgspec.msgpack.encode(observed))


if __name__ == "__main__":
    main()
