"""Handlers of the network log of a browser, in batches (contract section 3.2)."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from sessions.caller import SERVICE, Caller
from sessions.dialects.notte import wire_network
from sessions.dialects.notte.addresses import link_to
from sessions.dialects.queries import boolean, integer
from sessions.dialects.reading import json_answer
from sessions.domain.rejections import NotFound
from sessions.runtimes.browser.port import Exchange
from sessions.web.appkeys import BROWSERS, LINKS
from sessions.web.auth import authorised
from sessions.web.links import LIFETIME_S

LIMIT: Final = 100
LIMIT_MAX: Final = 1_000
_DIGITS_MAX: Final = 9


async def logs(request: web.Request) -> web.Response:
    """The batches of the log so far, the first ones first; the last one still grows."""
    who = authorised(request, "sessions:read")
    limit = integer(request.query, "limit", LIMIT, 1, LIMIT_MAX)
    download = boolean(request.query, "download", True)
    exchanges = await _exchanges(request, who)
    count = wire_network.count_of(exchanges)

    def sizes() -> list[int]:
        return [len(wire_network.lines(exchanges, number)) for number in range(min(count, limit))]

    batches = [
        wire_network.Batch(
            key=wire_network.key_of(number),
            size=size,
            download_url=link_to(request, f"/{number}")[0] if download else None,
            download_url_expires_in_seconds=LIFETIME_S if download else None,
        )
        for number, size in enumerate(await asyncio.to_thread(sizes))
    ]
    told = wire_network.Logs(
        session_id=request.match_info["id"], batches=batches, total_batch_count=count
    )
    return json_answer(told)


async def batch(request: web.Request) -> web.Response:
    """The lines of a batch, for whoever has the link to it or a key."""
    who = SERVICE
    if "token" in request.query:
        request.app[LINKS].check(request.path, request.query)
    else:
        who = authorised(request, "sessions:read")
    exchanges = await _exchanges(request, who)
    text = request.match_info["number"]
    fits = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    raw = b""
    if fits:
        raw = await asyncio.to_thread(wire_network.lines, exchanges, int(text))
    if not raw:
        raise NotFound("The log has no such batch.")
    return web.Response(body=raw, content_type=wire_network.MEDIA_TYPE)


async def _exchanges(request: web.Request, who: Caller) -> tuple[Exchange, ...]:
    return await request.app[BROWSERS].exchanges(request.match_info["id"], who)
