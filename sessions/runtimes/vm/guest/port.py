"""The agent's end of the line to the host: never blocks, and says when it has enough to send."""

from __future__ import annotations

import json
import os
import stat
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from .framing import Deframer, FramingLost, Header, frame
from .reactor import READABLE, WRITABLE, Leave, Reactor

FULL: Final = 256 * 1024
"""Bytes that may wait for the host before programs are no longer read."""

_DEAF: Final = 4 * 1024 * 1024
"""Bytes that may wait for the host before requests are no longer read."""

_READ: Final = 64 * 1024
_READS: Final = 64
_WRITE: Final = 32 * 1024
_HOST_GONE_S: Final = 0.05


class HostGone(Leave):
    """Nobody is at the other end any more, and nobody will come."""


class Port:
    """Frames in and out."""

    def __init__(
        self,
        reactor: Reactor,
        fd: int,
        received: Callable[[Header, bytes], None],
        relieved: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._fd = fd
        self._received = received
        self._relieved = relieved
        self._frames = Deframer()
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._begun = False
        self.held = False
        self._later: deque[bytes] = deque()
        # A port of a machine stays when the host goes; anything else is over then.
        self._stays = stat.S_ISCHR(os.fstat(fd).st_mode)
        os.set_blocking(fd, False)
        self._watch()

    @property
    def full(self) -> bool:
        """True while whoever has much to say should wait."""
        return self.held or self._size >= FULL

    def send(self, header: Header, payload: bytes = b"") -> None:
        """Send a frame, at once or when the host takes it."""
        self._push(frame(header, payload))

    def hold(self, *, held: bool) -> None:
        """While held, what is to be sent waits here, so that nothing is under way."""
        self.held = held
        while self._later and not held:
            self._push(self._later.popleft())
        if not self.full:
            self._relieved()

    def drop(self) -> None:
        """Forget everything that was to be sent, but for the rest of a frame that has begun."""
        begun = self._waiting[0] if self._begun else None
        self._forget()
        if begun is not None:
            self._begun = True
            self._waiting.append(begun)
            self._size = len(begun)
        self._watch()

    def _forget(self) -> None:
        self._waiting.clear()
        self._later.clear()
        self._size = 0
        self._begun = False

    def _push(self, data: bytes) -> None:
        if self.held:
            self._later.append(data)
            return
        self._waiting.append(memoryview(data))
        self._size += len(data)
        if len(self._waiting) == 1:
            self._write()

    def _watch(self) -> None:
        events = READABLE if self._size < _DEAF else 0
        self._reactor.watch(self._fd, events | (WRITABLE if self._waiting else 0), self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITABLE:
            self._write()
        if events & READABLE:
            self._read()
        elif not events & WRITABLE:
            self._gone()

    def _gone(self) -> None:
        if not self._stays:
            raise HostGone
        # The next host begins with a whole frame, and wants one. Until it comes the port
        # reports this without end: look again later.
        self._frames.clear()
        self._forget()
        self._watch()
        time.sleep(_HOST_GONE_S)

    def _write(self) -> None:
        was_full = self._size >= FULL
        try:
            while self._waiting:
                first = self._waiting[0]
                count = os.write(self._fd, first[:_WRITE])
                self._size -= count
                self._begun = count < len(first)
                if self._begun:
                    self._waiting[0] = first[count:]
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._gone()
        self._watch()
        if was_full and not self.full:
            self._relieved()

    def _read(self) -> None:
        # The port gives no more than a page at a time: a poll for each would double the work.
        for _ in range(_READS):
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._gone()
                return
            try:
                for header, payload in self._frames.feed(data):
                    self._take(header, payload)
            except FramingLost as lost:
                self.send({"id": 0, "error": f"not a frame: {lost}"})
                raise HostGone from lost
            if self._size >= _DEAF:
                self._watch()
                return

    def _take(self, head: bytes, payload: bytes) -> None:
        try:
            header = json.loads(head)
        except (ValueError, RecursionError):
            header = None
        if isinstance(header, dict) and type(header.get("id")) is int:
            self._received(header, payload)
        else:
            self.send({"id": 0, "error": "the header of a frame is a JSON object with an id"})
