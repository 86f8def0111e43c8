"""One connection of a browser to the guard: an exchange or a tunnel, counted, in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from sessions.runtimes.browser import http_heads
from sessions.runtimes.browser.dialing import Dialer, Line, Unreachable
from sessions.runtimes.browser.http_heads import CHUNKED, Answered, Asked, BadHead
from sessions.runtimes.browser.upstream import Upstream

HEAD_S: Final = 300.0
"""Browsers open connections before they need them."""
HEAD_BYTES_MAX: Final = 256 << 10
HEAD_LINES_MAX: Final = 1_000
TURN_AWAY_S: Final = 1.0
TURN_AWAY_PIECES: Final = 64
PIECE_BYTES: Final = 64 << 10
CHUNK_DIGITS_MAX: Final = 12
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_TOO_LONG: Final = bytes(HEAD_BYTES_MAX + 1)


class Counted(Protocol):
    """The session that a connection belongs to."""

    via: Upstream | None
    turns: asyncio.Semaphore

    def sent(self, count: int) -> None:
        """So many bytes went out."""

    def received(self, count: int) -> None:
        """So many bytes came in."""

    def failed(self, asked: Asked, error: Unreachable) -> None:
        """Nothing came of what was asked for."""


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dialer: Dialer, session: Counted
) -> None:
    """Do the one thing that is asked for on the connection; it may be cut off at any time."""
    try:
        async with asyncio.timeout(HEAD_S):
            head = await _head(reader)
    except TimeoutError:
        return
    if not head:
        return
    if len(head) > HEAD_BYTES_MAX:
        await _turn_away(reader, writer, 431, "The head of the request is too long.")
        return
    try:
        asked = http_heads.asked(head)
    except BadHead as error:
        await _turn_away(reader, writer, 400, str(error))
        return
    try:
        line = await dialer.dial(
            asked.host, asked.port, session.via, session.turns, tunnel=asked.tunnel
        )
    except Unreachable as error:
        session.failed(asked, error)
        await _say(writer, _status(error), error.reason)
        return
    try:
        await _pass_on(reader, writer, line, asked, session)
    finally:
        line.writer.transport.abort()


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    line: Line,
    asked: Asked,
    session: Counted,
) -> None:
    """Both ways at once, until one of them has come to its end."""
    if asked.tunnel:
        writer.write(ESTABLISHED)
        ways = (
            _pump(reader, line.writer, session.sent),
            _pump(line.reader, writer, session.received),
        )
    else:
        ways = (_ask(reader, line, asked, session), _answer(writer, line, asked, session))
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(reader: asyncio.StreamReader, line: Line, asked: Asked, session: Counted) -> None:
    """Send the one request, then wait until the client goes away.

    What follows the request is never sent: the next request may be meant for another origin.
    """
    via = session.via
    by_proxy = line.by_proxy and via is not None
    head = http_heads.to_origin(
        asked,
        target=asked.url if by_proxy else "",
        credentials=via.credentials if by_proxy and via is not None else "",
    )
    line.writer.write(head)
    session.sent(len(head))
    if asked.body == CHUNKED:
        await _chunks(reader, line, session)
    else:
        await _some(reader, line, asked.body, session)
    await line.writer.drain()
    while await reader.read(PIECE_BYTES):
        pass


async def _answer(writer: asyncio.StreamWriter, line: Line, asked: Asked, session: Counted) -> None:
    """Pass the answer on to its end."""
    try:
        head = await _answer_head(line.reader, session)
        while head.interim:
            writer.write(http_heads.to_client(head))
            head = await _answer_head(line.reader, session)
    except (BadHead, EOFError, OSError):
        why = f"{asked.host} does not answer in HTTP/1."
        session.failed(asked, Unreachable(why))
        await _say(writer, 502, why)
        return
    writer.write(http_heads.to_client(head))
    await _pump(line.reader, writer, session.received)


async def _answer_head(reader: asyncio.StreamReader, session: Counted) -> Answered:
    head = await _head(reader)
    if not head:
        raise EOFError
    session.received(len(head))
    return http_heads.answered(head)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
) -> None:
    try:
        while data := await reader.read(PIECE_BYTES):
            count(len(data))
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        await writer.drain()
    except OSError:
        return


async def _some(reader: asyncio.StreamReader, line: Line, length: int, session: Counted) -> None:
    """Exactly so many bytes of the request's body."""
    while length > 0:
        data = await reader.read(min(length, PIECE_BYTES))
        if not data:
            raise EOFError
        await _send(line, data, session)
        length -= len(data)


async def _chunks(reader: asyncio.StreamReader, line: Line, session: Counted) -> None:
    """The chunks of the request's body, with the last and what trails it (RFC 9112 7.1)."""
    while True:
        size = await _line(reader)
        digits = size.partition(b";")[0].strip()
        if not 0 < len(digits) <= CHUNK_DIGITS_MAX:
            raise EOFError
        length = int(digits, 16)
        await _send(line, size, session)
        if length == 0:
            break
        await _some(reader, line, length + 2, session)
    while (trailer := await _line(reader)).strip():
        await _send(line, trailer, session)
    await _send(line, trailer, session)


async def _send(line: Line, data: bytes, session: Counted) -> None:
    session.sent(len(data))
    line.writer.write(data)
    await line.writer.drain()


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


async def _head(reader: asyncio.StreamReader) -> bytes:
    """All lines up to the empty one; nothing where the stream ends, too much where it is too long.

    A head may end its lines without a carriage return (RFC 9112 section 2.2).
    """
    lines: list[bytes] = []
    size = 0
    try:
        while size <= HEAD_BYTES_MAX and len(lines) < HEAD_LINES_MAX:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                return b""
            size += len(line)
            lines.append(line)
            if not line.strip():
                return b"".join(lines)
    except OSError:
        return b""
    except ValueError:
        pass  # one line alone is longer than the stream holds
    return _TOO_LONG


async def _turn_away(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int, reason: str
) -> None:
    """Say it, and listen a little longer: else what is not heard takes the answer with it."""
    await _say(writer, status, reason)
    with contextlib.suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(TURN_AWAY_S):
            for _ in range(TURN_AWAY_PIECES):
                if not await reader.read(PIECE_BYTES):
                    return


async def _say(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    try:
        writer.write(http_heads.answer(status, reason))
        await writer.drain()
    except OSError:
        return


def _status(error: Unreachable) -> int:
    if error.refused:
        return 403
    return 504 if error.slow else 502
