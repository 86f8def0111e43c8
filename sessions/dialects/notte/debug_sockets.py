"""Websockets of a session: its debugger, its pictures, its log (contract section 3.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from aiohttp import WSMsgType, web

from sessions.browser_debugging import Debugged
from sessions.caller import DEFAULT_TENANT, SERVICE, Caller
from sessions.dialects.notte import wire_debug
from sessions.dialects.notte.debug_addresses import check_link
from sessions.failure import Failure
from sessions.runtimes.browser.cdp_line import FROM_CLIENT_BYTES_MAX, DebuggerLine, debugger_line
from sessions.runtimes.browser.cdp_messages import BadMessage
from sessions.runtimes.browser.port import Browser, BrowserError
from sessions.web.appkeys import BROWSERS, LOOKS, SETTINGS

SMALL_BYTES_MAX: Final = 4_096
CLOSE_S: Final = 2.0
LOG_S: Final = 0.5
_UPGRADE: Final = {"Upgrade": "websocket"}


LINK: Final = Caller(actor="link", tenant=DEFAULT_TENANT, scopes=("admin",))
"""Whoever has the address: all that is known of him is that it was given to somebody."""


class Leave(NamedTuple):
    """How a socket is to be closed."""

    code: int
    reason: str


GONE: Final = Leave(wire_debug.CLOSE_DONE, "")
ENDED: Final = Leave(wire_debug.CLOSE_ENDED, "the session has ended")
Serve = Callable[[web.WebSocketResponse, Browser], Awaitable[Leave]]


async def cdp(request: web.Request) -> web.StreamResponse:
    """The debugger of the session's own context; who has it uses the session."""
    session_id = check_link(request)

    async def serve(socket: web.WebSocketResponse, browser: Browser) -> Leave:
        debugged = await request.app[BROWSERS].debugged(session_id, LINK)
        folder = str(debugged.folder)

        async def send(text: bytes) -> None:
            await socket.send_frame(text, WSMsgType.TEXT)

        async with (
            debugger_line(browser.debugger, folder, send) as line,
            debugged.steered(),
        ):
            return await _first(_listen(socket, line, debugged), _until(line.run, ENDED))

    return await _connected(request, session_id, serve, FROM_CLIENT_BYTES_MAX)


async def recording(request: web.Request) -> web.StreamResponse:
    """What the browser shows, as it changes: each binary frame is a JPEG."""

    async def serve(socket: web.WebSocketResponse, browser: Browser) -> Leave:
        async def show() -> Leave:
            async for frame in browser.frames():
                await socket.send_bytes(frame.jpeg)
            return ENDED

        return await _first(_silent(socket), show())

    return await _connected(request, check_link(request), serve, SMALL_BYTES_MAX)


async def logs(request: web.Request) -> web.StreamResponse:
    """What the browser asks the net for, from the beginning: each text frame is an exchange."""

    async def serve(socket: web.WebSocketResponse, browser: Browser) -> Leave:
        async def tell() -> Leave:
            told = 0
            while True:
                for exchange in browser.exchanges(told):
                    await socket.send_str(wire_debug.log_line(exchange))
                    told += 1
                await asyncio.sleep(LOG_S)

        return await _first(_silent(socket), tell())

    return await _connected(request, check_link(request), serve, SMALL_BYTES_MAX)


async def _connected(
    request: web.Request, session_id: str, serve: Serve, bytes_max: int
) -> web.StreamResponse:
    """A websocket that serves until the client leaves or the browser ends."""
    socket = web.WebSocketResponse(
        heartbeat=request.app[SETTINGS].probe_s,
        max_msg_size=bytes_max,
        compress=False,
        timeout=CLOSE_S,
        decode_text=False,
    )
    if not socket.can_prepare(request):
        detail = "This path speaks websocket."
        raise Failure(426, "websocket_required", detail, headers=_UPGRADE)
    browser = await request.app[BROWSERS].living(session_id, SERVICE)
    with request.app[LOOKS].look(session_id):
        await socket.prepare(request)
        try:
            how = await _first(serve(socket, browser), _until(browser.ended, ENDED))
        except ConnectionError:
            how = GONE
        except BrowserError as error:
            how = Leave(wire_debug.CLOSE_TRY_LATER, str(error))
        reason = how.reason.encode()[: wire_debug.REASON_BYTES_MAX]
        await socket.close(code=how.code, message=reason)
    return socket


async def _first(*ways: Awaitable[Leave]) -> Leave:
    """How the first of them ends; the others are cut off."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(socket: web.WebSocketResponse, line: DebuggerLine, debugged: Debugged) -> Leave:
    """Pass on what the client says until it leaves."""
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await line.say(message.data)
                debugged.calls += 1
            elif message.type is WSMsgType.BINARY:
                return Leave(wire_debug.CLOSE_UNREADABLE, "The protocol is spoken in text.")
    except BadMessage as error:
        return Leave(wire_debug.CLOSE_UNREADABLE, str(error))
    except ConnectionError:
        return ENDED
    return GONE


async def _silent(socket: web.WebSocketResponse) -> Leave:
    """Wait until the client leaves; what it says means nothing."""
    async for _ in socket:
        pass
    return GONE


async def _until(end: Callable[[], Awaitable[object]], how: Leave) -> Leave:
    await end()
    return how
