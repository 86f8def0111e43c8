"""Commands to QEMU, and what it says of itself, over a socket that it was given at its start."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final

from qemu.qmp import EventListener, Message, QMPClient, QMPError, Runstate

from sessions.runtimes.vm.port import MachineFailed

_SHUTDOWN: Final = "SHUTDOWN"
_DISK_FAILED: Final = "BLOCK_IO_ERROR"
_LAST_S: Final = 0.25
_POLL_S: Final = 0.005

# The library logs the end of QEMU as an error, with a traceback; whoever waits for the process
# knows better.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class Control:
    """The control socket of one QEMU; whoever waits here must watch the process besides."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        # A descriptor travels beside the bytes that asyncio writes, so it needs its own handle.
        self._side = ours.dup()
        self._client = QMPClient()
        self._listener = EventListener(names=[_SHUTDOWN, _DISK_FAILED], event_filter=self._is_news)
        self._client.register_listener(self._listener)
        self._connected = False

    @property
    def said(self) -> str:
        """Why QEMU shut down, in its own word; "" where it could not say."""
        return self._reason_of(_SHUTDOWN)

    @property
    def disk_trouble(self) -> str:
        """Why a file could not be written, at which QEMU holds the machine; "" where none was."""
        return self._reason_of(_DISK_FAILED)

    def _is_news(self, message: Message) -> bool:
        """The first of its kind: a guest may cause any number of the others."""
        return not self._reason_of(str(message.get("event")))

    def _reason_of(self, event: str) -> str:
        for message in self._listener.history:
            data = message.get("data")
            if message.get("event") == event and isinstance(data, dict) and "reason" in data:
                return str(data["reason"])
        return ""

    async def connect(self) -> None:
        """Return when QEMU answers; raises MachineFailed."""
        self._socket.setblocking(False)
        try:
            await self._client.connect(self._socket)
        except (QMPError, OSError, EOFError) as error:
            raise MachineFailed(f"QEMU does not talk: {error}") from None
        self._connected = True

    async def execute(self, command: str, **arguments: object) -> Any:
        """The answer to a command; raises MachineFailed where it is refused or QEMU is gone."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            return await self._client.execute(command, named)
        except (QMPError, OSError, EOFError) as error:
            raise MachineFailed(f"QEMU refused {command}: {error}") from None

    async def hand_over(self, fd: int, name: str) -> None:
        """Give QEMU an open file that commands can name; raises MachineFailed."""
        try:
            socket.send_fds(self._side, [b" "], [fd])
        except OSError as error:
            raise MachineFailed(f"QEMU took no descriptor: {error}") from None
        await self.execute("getfd", fdname=name)

    async def hear_out(self) -> None:
        """Read what a QEMU that has ended said last; never raises."""
        for _ in range(int(_LAST_S / _POLL_S)):
            if self._client.runstate is not Runstate.RUNNING:
                return
            await asyncio.sleep(_POLL_S)

    def abandon(self) -> None:
        """Nothing of a connection that was not made yet is left."""
        self._side.close()
        self._socket.close()

    async def close(self) -> None:
        """Nothing of the connection is left; never raises."""
        self._side.close()
        if self._connected:
            self._connected = False
            # Never cancelled half-way: only a whole `disconnect` collects what its tasks raised.
            closing = asyncio.ensure_future(self._client.disconnect())
            await asyncio.wait({closing})
            closing.exception()
        self._socket.close()
