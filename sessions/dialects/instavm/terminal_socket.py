"""The websocket of a terminal: keystrokes in, what it shows out (contract section 5.1)."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WSMsgType, web

from sessions.dialects.instavm import wire_terminals
from sessions.dialects.instavm.screens import Leave, Look
from sessions.dialects.instavm.terminals import terminal_of_path
from sessions.failure import Failure
from sessions.machine_terminals import Opened
from sessions.runtimes.vm.port import MachineError
from sessions.web.appkeys import ACCESS, MACHINES, SCREENS, SETTINGS
from sessions.web.auth import caller_of, secret_of

MESSAGE_BYTES_MAX: Final = 128 << 10
TYPED_MAX: Final = 32
"""So many messages wait for a program that reads none; then the client does."""
CLOSE_S: Final = 2.0
_UPGRADE: Final = {"Upgrade": "websocket"}

DONE: Final = Leave(wire_terminals.CLOSE_DONE, "")
ELSEWHERE: Final = Leave(wire_terminals.CLOSE_ELSEWHERE, "another client has the terminal now")
REVOKED: Final = Leave(wire_terminals.CLOSE_AUTHENTICATION, "the key was revoked")
MACHINE_ENDED: Final = Leave(
    wire_terminals.CLOSE_UNREACHABLE, "the machine of the terminal has ended"
)
SHUTDOWN: Final = Leave(wire_terminals.CLOSE_RESTART, "the service stops")


async def connect(request: web.Request) -> web.StreamResponse:
    """A websocket that shows the terminal and takes its keystrokes, until one side leaves.

    The key stands in the URL; a wrong one is told by the code that clients know for it.
    """
    socket = web.WebSocketResponse(
        heartbeat=request.app[SETTINGS].probe_s,
        max_msg_size=MESSAGE_BYTES_MAX,
        compress=False,
        timeout=CLOSE_S,
    )
    secret = request.query.get("api_key", "") or secret_of(request)
    try:
        who = caller_of(request, secret, "sessions:write")
    except Failure as failure:
        if failure.status != 401 or not socket.can_prepare(request):
            raise
        await socket.prepare(request)
        await _close(socket, Leave(wire_terminals.CLOSE_AUTHENTICATION, failure.detail))
        return socket
    opened = await terminal_of_path(request, who)
    if not socket.can_prepare(request):
        detail = "This path speaks websocket."
        raise Failure(426, "websocket_required", detail, headers=_UPGRADE)
    # Who looks at a terminal uses the session, also while nothing is typed.
    async with request.app[MACHINES].in_use(opened.session, who):
        await socket.prepare(request)
        async with request.app[SCREENS].look(opened, ELSEWHERE) as look:
            how = await _relay(request, socket, opened, look, secret)
    await _close(socket, how)
    return socket


async def _relay(
    request: web.Request, socket: web.WebSocketResponse, opened: Opened, look: Look, secret: str
) -> Leave:
    """Go on until the first of them has come to its end, which says how the socket ends."""
    if look.told.done():
        return look.told.result()
    shows = asyncio.create_task(_show(socket, opened))
    typed: asyncio.Queue[bytes] = asyncio.Queue(TYPED_MAX)
    others = [
        asyncio.create_task(_listen(socket, opened, typed)),
        asyncio.create_task(_type(opened, typed)),
        asyncio.create_task(_until_revoked(request, secret)),
    ]
    every: list[asyncio.Future[Leave]] = [shows, look.told, *others]
    try:
        done, _ = await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
        return next(each for each in every if each in done).result()
    finally:
        for task in (shows, *others):
            task.cancel()
        await asyncio.gather(shows, *others, return_exceptions=True)


async def _show(socket: web.WebSocketResponse, opened: Opened) -> Leave:
    """Send what the terminal shows, and at its end how its program ended."""
    terminal = opened.terminal
    try:
        async for data in terminal.output():
            await socket.send_bytes(data)
        if terminal.exit_code is None:
            return MACHINE_ENDED
        await socket.send_str(wire_terminals.exit_frame(terminal.exit_code))
    except MachineError:
        return MACHINE_ENDED
    except ConnectionError:
        pass
    return DONE


async def _listen(
    socket: web.WebSocketResponse, opened: Opened, typed: asyncio.Queue[bytes]
) -> Leave:
    """Take keystrokes and sizes until the client leaves."""
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await typed.put(message.data)
            elif message.type is WSMsgType.TEXT:
                size = wire_terminals.control_frame(message.data)
                if size is not None:
                    await opened.terminal.resize(size.cols, size.rows)
                    opened.cols, opened.rows = size.cols, size.rows
    except MachineError:
        return await _end_is_shown()
    return DONE


async def _type(opened: Opened, typed: asyncio.Queue[bytes]) -> Leave:
    """Pass keystrokes on; a program that does not read them must not keep pings waiting."""
    try:
        while True:
            await opened.terminal.write(await typed.get())
    except MachineError:
        return await _end_is_shown()


async def _end_is_shown() -> Leave:
    """The terminal has ended; what it showed last and its exit code go out before the socket ends.

    They should be there by now; where they are not, the machine is at fault.
    """
    await asyncio.sleep(CLOSE_S)
    return MACHINE_ENDED


async def _until_revoked(request: web.Request, secret: str) -> Leave:
    """Return when the key opens nothing any more."""
    access, every_s = request.app[ACCESS], request.app[SETTINGS].heartbeat_s
    while not secret or access.caller(secret) is not None:  # noqa: ASYNC110
        await asyncio.sleep(every_s)
    return REVOKED


async def _close(socket: web.WebSocketResponse, how: Leave) -> None:
    reason = how.reason.encode()[: wire_terminals.REASON_BYTES_MAX]
    await socket.close(code=how.code, message=reason)
