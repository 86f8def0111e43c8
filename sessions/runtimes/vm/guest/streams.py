"""What a program prints, on its way to the host: no more than the host has room for."""

from __future__ import annotations

import fcntl
import os
import sys
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .port import Port
from .reactor import READABLE, Reactor
from .user import User

CHUNK: Final = 64 * 1024

_BREATH_S: Final = 0.01
_SMALL: Final = 16 * 1024
_WIDE: Final = 1024 * 1024
_LINGERING_MAX: Final = 32


class Place:
    """What all programs of a machine share."""

    def __init__(self, reactor: Reactor, user: User) -> None:
        self.reactor = reactor
        self.user = user
        self.port: Port
        self.sink = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.streams: set[Stream] = set()
        self._lingering: deque[Stream] = deque()

    def relieved(self) -> None:
        """The host takes more again."""
        for stream in list(self.streams):
            stream.update()

    def linger(self, stream: Stream) -> None:
        """Read on from what a program left in the background: it need not die of writing."""
        if stream.open:
            self._lingering.append(stream)
        if len(self._lingering) > _LINGERING_MAX:
            self._lingering = deque(each for each in self._lingering if each.open)
        if len(self._lingering) > _LINGERING_MAX:
            self._lingering.popleft().close()


class Allowance:
    """How many bytes the host takes for one program before it has to say more."""

    def __init__(self, credit: int) -> None:
        self.credit = credit


class Stream:
    """One output of a program; between programs it reads on, so that no writer gets stuck."""

    def __init__(self, place: Place, fd: int, kind: str) -> None:
        self.kind = kind
        self.open = True
        self.total = 0
        self._place = place
        self._fd = fd
        self._owner = 0
        self._room = 0
        self._allowance: Allowance | None = None
        self._left: int | None = None
        self._done: Callable[[Stream], None] | None = None
        self._resting = False
        self._wide = False
        os.set_blocking(fd, False)
        place.streams.add(self)
        self.update()

    def begin(self, owner: int, room: int, allowance: Allowance) -> None:
        """What is read from now on is the output of `owner`; the host wants `room` bytes of it."""
        self._owner, self._room, self._allowance = owner, room, allowance
        self.total = 0
        self.update()

    def discard(self) -> None:
        """What was printed until now is of nobody who is still there."""
        left = _readable(self._fd) if self.open else 0
        while left > 0 and (size := self._drop()):
            left -= size

    def finish(self, done: Callable[[Stream], None]) -> None:
        """Call once what was printed until now has gone to the host; the rest goes nowhere."""
        self._done = done
        self._left = _readable(self._fd) if self.open else 0
        self._settle()
        self._rested()

    def when_over(self, done: Callable[[Stream], None]) -> None:
        """Call once nobody writes to it any more; `finish` is the other way to end it."""
        self._done = done
        self._settle()
        self._rested()

    def abandon(self) -> None:
        """Nobody wants what comes from now on; whoever waits for its end is still told."""
        self._owner, self._allowance = 0, None
        self.update()

    def update(self) -> None:
        """Read again, or not: the host's room has changed."""
        if not self.open:
            return
        if not self._resting and self._may_read():
            self._place.reactor.watch(self._fd, READABLE, self._ready)
        else:
            self._place.reactor.forget(self._fd)

    def close(self) -> None:
        """Read no more."""
        if self.open:
            self.open = False
            self._place.streams.discard(self)
            self._place.reactor.forget(self._fd)
            os.close(self._fd)
            self._settle()

    def _may_read(self) -> bool:
        if self._allowance is None or not self._room:
            return not self._place.port.held
        return self._allowance.credit > 0 and not self._place.port.full

    def _ready(self, _: int) -> None:
        if not self._may_read():
            self.update()
            return
        size = self._drop() if self._allowance is None or not self._room else self._pass_on()
        if size is None:
            return
        if not size:
            self.close()
            return
        self.total += size
        if self._left is not None:
            self._left -= size
        self._settle()
        if size < _SMALL and self._done is None:
            self._rest()
        self.update()

    def _pass_on(self) -> int | None:
        """Send the next bytes to the host; how many, none at the end, None where there are none."""
        assert self._allowance is not None
        most = min(CHUNK, self._room, self._allowance.credit)
        if self._left is not None:
            most = min(most, self._left)
        try:
            data = os.read(self._fd, most)
        except BlockingIOError:
            return None
        self._room -= len(data)
        self._allowance.credit -= len(data)
        if data:
            self._place.port.send({"id": self._owner, "ev": self.kind}, data)
        return len(data)

    def _drop(self) -> int | None:
        """The same with bytes that nobody wants, which need not be read for that."""
        if not self._wide:
            self._wide = True
            with suppress(OSError):
                fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _WIDE)
        try:
            return os.splice(
                self._fd, self._place.sink, _WIDE if self._left is None else self._left
            )
        except BlockingIOError:
            return None

    def _settle(self) -> None:
        if self._done is not None and (not self.open or self._left == 0):
            done, self._done = self._done, None
            self._owner, self._allowance, self._left = 0, None, None
            done(self)

    def _rest(self) -> None:
        """Many small writes are read together; the first after a silence is read at once."""
        self._resting = True
        self._place.reactor.later(_BREATH_S, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self.update()


def _readable(fd: int) -> int:
    try:
        size = fcntl.ioctl(fd, termios.FIONREAD, bytes(4))
    except OSError:
        return 0
    return int.from_bytes(size, sys.byteorder)
