"""A terminal in a machine, as the host sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from sessions.runtimes.vm.frames import Field, Said
from sessions.runtimes.vm.line import Line
from sessions.runtimes.vm.port import GuestRefused, MachineFailed

WINDOW: Final = 256 * 1024
"""Bytes that are held here for a slow reader; then the terminal waits for it."""

_KEYS: Final = 64 * 1024
_TIMEOUT_S: Final = 30.0


class ChannelTerminal:
    """A terminal behind a line to the agent; what nobody reads makes it wait, not grow."""

    def __init__(self, line: Line, number: int) -> None:
        self.exit_code: int | None = None
        self._line = line
        self._number = number
        self.held = 0
        """Bytes that are here and that nobody has read."""
        self._shown: deque[bytes] = deque()
        self._owed = 0
        self._over = False
        self._failure: MachineFailed | None = None
        self._news = asyncio.Event()

    async def open(self, cols: int, rows: int, shell: str, command: str) -> None:
        """Start what runs in it; raises GuestRefused or MachineFailed."""
        self._line.listen(self._number, self)
        fields: dict[str, Field] = {
            "cols": cols,
            "rows": rows,
            "shell": shell,
            "command": command,
            "credit": WINDOW,
        }
        try:
            await self._line.ask("terminal", b"", fields, _TIMEOUT_S, self._number)
        except BaseException:
            self._line.forget(self._number)
            self._line.tell("kill", target=self._number)
            raise

    async def output(self) -> AsyncIterator[bytes]:
        """What the terminal shows, until it ends; raises MachineFailed where the machine ends."""
        while True:
            while self._shown:
                data = self._shown.popleft()
                self.held -= len(data)
                self._owed += len(data)
                if self._owed >= WINDOW // 4 or not self._shown:
                    self._line.tell("credit", target=self._number, bytes=self._owed)
                    self._owed = 0
                yield data
            if self._failure is not None:
                raise self._failure
            if self._over:
                return
            self._news.clear()
            await self._news.wait()

    async def write(self, data: bytes) -> None:
        """Keystrokes; returns when the terminal has taken them."""
        for start in range(0, len(data), _KEYS):
            await self._ask("type", data[start : start + _KEYS])

    async def resize(self, cols: int, rows: int) -> None:
        """The window has this size now."""
        await self._ask("resize", b"", cols=cols, rows=rows)

    async def kill(self) -> None:
        """End what runs in it; nothing where it has ended."""
        await self._ask("kill", b"")

    def heard(self, said: Said, payload: bytes) -> None:
        """Something was shown, or the program in it has ended."""
        if said.ev == "out":
            if self.held > WINDOW * 2:
                # More than was asked for, and nobody reads it: such an agent is not ours.
                return
            self._shown.append(payload)
            self.held += len(payload)
        elif said.ev == "exit":
            self.exit_code = said.exit_code
        elif said.ev == "end":
            self._over = True
            self._line.forget(self._number)
        self._news.set()

    def failed(self, error: MachineFailed) -> None:
        """The machine is gone, and the terminal with it."""
        self._failure = error
        self._news.set()

    async def _ask(self, op: str, data: bytes, **fields: int) -> None:
        if self._failure is not None:
            raise self._failure
        if self._over:
            if op == "kill":
                return
            raise GuestRefused("the terminal has ended")
        await self._line.ask(op, data, {"target": self._number, **fields}, _TIMEOUT_S)
