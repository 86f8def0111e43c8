"""A connection of one client to the debugger of its session's browser, and to nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

import aiohttp
import msgspec

from sessions.runtimes.browser.cdp_filter import Filter
from sessions.runtimes.browser.cdp_messages import Out
from sessions.runtimes.browser.port import BrowserFailed

CONNECT_S: Final = 10.0
FROM_BROWSER_BYTES_MAX: Final = 64 << 20
FROM_CLIENT_BYTES_MAX: Final = 16 << 20

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
Send = Callable[[bytes], Awaitable[None]]
"""Sends a frame of text, which is never decoded on its way: pictures make some of them long."""


class DebuggerLine:
    """What a client says goes in by `say`; what it is told comes out of `run`."""

    def __init__(self, socket: Socket, cut: Filter, client: Send) -> None:
        self._socket = socket
        self._filter = cut
        self._client = client

    async def begin(self) -> None:
        """Learn what there is; raises BrowserFailed."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._pass(self._filter.begin())
                while not self._filter.ready:
                    await self._hear()
        except (TimeoutError, OSError, EOFError):
            raise BrowserFailed("The browser's debugger does not answer.") from None

    async def say(self, text: bytes) -> None:
        """What the client says; raises BadMessage, or OSError when the browser is gone."""
        await self._pass(self._filter.from_client(text))

    async def run(self) -> None:
        """Pass on what the browser says, until it says no more."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                await self._hear()

    async def _hear(self) -> None:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise EOFError
        try:
            out = self._filter.from_browser(message.data)
        except msgspec.DecodeError:
            raise EOFError from None
        await self._pass(out)

    async def _pass(self, out: Sequence[Out]) -> None:
        for each in out:
            if each.to == "browser":
                await self._socket.send_frame(each.text, aiohttp.WSMsgType.TEXT)
            else:
                await self._client(each.text)


@contextlib.asynccontextmanager
async def debugger_line(
    debugger: tuple[str, str], folder: str, client: Send
) -> AsyncIterator[DebuggerLine]:
    """The connection, which is cut with the block; raises BrowserFailed where there is none.

    `debugger` is the browser's, `folder` that of the session's files, and `client` is told.
    """
    url, context = debugger
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as web:
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await web.ws_connect(
                    url, max_msg_size=FROM_BROWSER_BYTES_MAX, compress=0, decode_text=False
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise BrowserFailed("The browser has no debugger that answers.") from None
        try:
            line = DebuggerLine(socket, Filter(context, folder), client)
            await line.begin()
            yield line
        finally:
            await _cut(socket)


async def _cut(socket: Socket) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await socket.close()
