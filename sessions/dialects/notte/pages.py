"""Handlers of what is done on pages: authorise, decode, call, encode (contract section 3.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec.structs import replace

from sessions.caller import Caller
from sessions.dialects.notte import (
    wire_actions,
    wire_executions,
    wire_observations,
    wire_scraping,
)
from sessions.dialects.queries import boolean
from sessions.dialects.reading import optional_body, session_of_kind
from sessions.domain.rejections import NotFound
from sessions.runtimes.browser.port import Action, Done, PageRefused
from sessions.web.answer import Answer
from sessions.web.appkeys import BROWSERS, CLOCK_US
from sessions.web.auth import authorised
from sessions.web.bodies import json_body

LARGE_CHARS: Final = 256 << 10
ACTIONS_LARGE: Final = 300
INVALID_ACTION: Final = "InvalidActionError"
_any: Final = msgspec.json.Decoder(Any)


async def observe(request: web.Request) -> web.Response:
    """What can be done on the current page."""
    who = authorised(request, "sessions:write")
    asked = wire_observations.observe(await optional_body(request))
    browsers, session_id = request.app[BROWSERS], request.match_info["id"]
    if asked.url:  # clients of old went to a page and looked at it in one call
        acted = await browsers.act(session_id, Action(type="goto", url=asked.url), who)
        if not acted.done.success:
            raise PageRefused(acted.done.message)
    seen = await browsers.observe(session_id, who, actions_max=asked.actions_max)

    def shape() -> Any:
        return wire_observations.observation(seen.observation, seen.started_at, seen.ended_at)

    return await _answered(shape, large=len(seen.observation.actions) > ACTIONS_LARGE)


async def execute(request: web.Request) -> web.Response:
    """Do one thing; what fails on the page is an answer like any other."""
    who = authorised(request, "sessions:write")
    asked = wire_actions.execute(await json_body(request, _any))
    browsers, session_id = request.app[BROWSERS], request.match_info["id"]
    if asked.scrape is not None:
        read = await browsers.scrape(session_id, asked.scrape, who)
        data = wire_scraping.data_space(read.scraped, wire_scraping.scrape(asked.told))
        return await _answered(
            lambda: wire_executions.scraped(asked.told, data, read.started_at, read.ended_at),
            large=len(data.markdown) > LARGE_CHARS,
        )
    action, refused = asked.action, asked.refused
    if action is not None and asked.file_path:
        file, refused = await _file_of(request, asked.file_path, who)
        action = replace(action, file=file)
    if action is None or refused:
        return await _never_done(request, asked.told, refused, who)
    acted = await browsers.act(session_id, action, who)
    text = acted.done.text or ""
    return await _answered(
        lambda: wire_executions.result(asked.told, acted.done, acted.started_at, acted.ended_at),
        large=len(text) > LARGE_CHARS,
    )


async def scrape(request: web.Request) -> web.Response:
    """What the current page says, as markdown."""
    who = authorised(request, "sessions:write")
    asked = wire_scraping.scrape(await optional_body(request))
    session_id = request.match_info["id"]
    read = await request.app[BROWSERS].scrape(session_id, asked.wanted, who)
    return await _answered(
        lambda: wire_scraping.data_space(read.scraped, asked),
        large=len(read.scraped.markdown) > LARGE_CHARS,
    )


async def screenshot(request: web.Request) -> web.Response:
    """A picture of the current page, in JSON: today's client chokes on bare bytes."""
    who = authorised(request, "sessions:write")
    whole = boolean(request.query, "full_page", False)
    session_id = request.match_info["id"]
    taken = await request.app[BROWSERS].screenshot(session_id, who, full_page=whole)
    return await _answered(lambda: wire_observations.Screenshot(taken.jpeg))


async def _never_done(
    request: web.Request, told: dict[str, Any], refused: str, who: Caller
) -> web.Response:
    """An action that no browser is asked to do, of a session that could."""
    began = request.app[CLOCK_US]()
    await request.app[BROWSERS].living(request.match_info["id"], who)
    done = Done(success=False, message=refused, error_type=INVALID_ACTION)
    ended = request.app[CLOCK_US]()
    return await _answered(lambda: wire_executions.result(told, done, began, ended))


async def _file_of(request: web.Request, name: str, who: Caller) -> tuple[Path | None, str]:
    """Where a file of the session lies, or why it cannot be taken."""
    if name.startswith(("http://", "https://")):
        return None, "A file is not fetched from an address here: upload it to the session first."
    state = await session_of_kind(request, request.match_info["id"], who, "browser")
    try:
        return await request.app[BROWSERS].file_of(state.id, name, who), ""
    except NotFound:
        return None, f"The session has no uploaded file {name!r}: upload it first."


async def _answered(shape: Callable[[], Any], *, large: bool = False) -> web.Response:
    """The shape as JSON; a large one is made beside everything else."""

    def body() -> bytes:
        return msgspec.json.encode(shape())

    raw = await asyncio.to_thread(body) if large else body()
    return Answer(raw)
