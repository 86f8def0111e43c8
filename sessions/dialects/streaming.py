"""Answers of bytes that come piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from aiohttp import web

from eventstore.errors import EventStoreError
from sessions.dialects.byte_ranges import cut, part_of
from sessions.web.appkeys import LINE
from sessions.web.edge import REQUEST_ID


async def streamed(
    request: web.Request,
    parts: AsyncIterator[bytes],
    media_type: str,
    name: str,
    size: int | None = None,
) -> web.StreamResponse:
    """An answer of bytes that no browser shows, under the name that it has as a file.

    Where `size` is known a part may be asked for: players do, to go back and forth.
    """
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        REQUEST_ID: request[LINE].correlation_id,
    }
    wanted = None if size is None else part_of(request, size)
    if size is not None:
        headers["Accept-Ranges"] = "bytes"
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range
        parts, size = cut(parts, wanted.start, wanted.stop), wanted.stop - wanted.start
    response = web.StreamResponse(status=200 if wanted is None else wanted.status, headers=headers)
    response.content_length = size
    await response.prepare(request)
    try:
        async for part in parts:
            await response.write(part)
        await response.write_eof()
    except (EventStoreError, ConnectionError):
        # The answer has begun: that it is cut off is all that can still be said.
        if request.transport is not None:
            request.transport.abort()
    return response
