"""Handlers of the early API (contract notte.md, section 2): every answer is 200 or a refusal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from msgspec.structs import replace

from projections.folds.session import Session
from sessions import ids
from sessions.browser_answers import Opening
from sessions.browsers import BrowserSessions
from sessions.caller import SERVICE, Caller
from sessions.dialects.notte import wire_early
from sessions.dialects.notte.sessions import shape, shown
from sessions.dialects.notte.wire_early_pages import Seen, page_answer
from sessions.dialects.reading import optional_body, session_of_kind
from sessions.domain.rejections import AlreadyEnded, NotFound
from sessions.failure import Failure
from sessions.runtimes.browser.port import Action, PageRefused, ScrapeWanted
from sessions.web.answer import Answer
from sessions.web.appkeys import BROWSERS, CLOCK_US, EARLY_SPACES, SESSIONS
from sessions.web.auth import authorised

Do = Callable[[Session], Awaitable[Seen]]


async def start(request: web.Request) -> web.Response:
    """Start a session; it works without a body (section 2.4)."""
    who = authorised(request, "sessions:write")
    asked = wire_early.start(await optional_body(request), request.query)
    return shown(request, await _made(request, asked, who), who)


async def close(request: web.Request) -> web.Response:
    """End a session; one that has ended already is shown as it ended."""
    who = authorised(request, "sessions:write")
    asked = wire_early.target(await optional_body(request), request.query)
    if asked.session_id is None:
        raise Failure(400, "invalid_body", "session_id: which session is to be closed?")
    state = await session_of_kind(request, asked.session_id, who, "browser")
    with contextlib.suppress(AlreadyEnded):
        await request.app[BROWSERS].stop(state.id, who)
    return shown(request, await request.app[SESSIONS].get(state.id, who), who)


async def observe(request: web.Request) -> web.Response:
    """What can be done on a page, of a session or in one that is opened for it."""
    who = authorised(request, "sessions:write")
    asked = wire_early.observe(await optional_body(request), request.query)

    async def do(state: Session) -> Seen:
        await _goto(request, state.id, asked.url, who)
        return await _observed(request, state, asked.target, asked.actions_max, who)

    return await _operated(request, asked.target, who, do)


async def scrape(request: web.Request) -> web.Response:
    """What a page says, of a session or in one that is opened for it."""
    who = authorised(request, "sessions:write")
    asked = wire_early.scrape(await optional_body(request), request.query)
    browsers = request.app[BROWSERS]

    async def do(state: Session) -> Seen:
        await _goto(request, state.id, asked.url, who)
        read = await browsers.scrape(state.id, asked.wanted, who)
        seen = Seen(place=read.scraped.place, at=read.ended_at, scraped=read.scraped)
        if not wire_early.wants_screenshot(asked.target.start, state.spec):
            return seen
        return replace(seen, screenshot=(await browsers.screenshot(state.id, who)).jpeg)

    return await _operated(request, asked.target, who, do, images=asked.wanted.images)


async def step(request: web.Request) -> web.Response:
    """Do one thing on the page and look at what came of it; a failure of the page is an answer."""
    who = authorised(request, "sessions:write")
    asked = wire_early.step(await optional_body(request), request.query)

    async def do(state: Session) -> Seen:
        return await _stepped(request, state, asked, who)

    return await _operated(request, asked.target, who, do)


async def _stepped(
    request: web.Request, state: Session, asked: wire_early.Step, who: Caller
) -> Seen:
    browsers = request.app[BROWSERS]
    if asked.action_id == wire_early.TERMINATE:
        place = (await browsers.living(state.id, who)).place()
        seen = Seen(place=await place, at=request.app[CLOCK_US]())
        await _end(browsers, state.id, who)
        return seen
    problem = await _acted(request, state.id, asked, who)
    seen = await _observed(request, state, asked.target, asked.actions_max, who)
    if asked.action_id == wire_early.SCRAPE:
        read = await browsers.scrape(state.id, ScrapeWanted(), who)
        seen = replace(seen, scraped=read.scraped)
    elif asked.action_id == wire_early.SCREENSHOT and not seen.screenshot:
        seen = replace(seen, screenshot=(await browsers.screenshot(state.id, who)).jpeg)
    return replace(seen, problem=problem)


async def _acted(request: web.Request, session_id: str, asked: wire_early.Step, who: Caller) -> str:
    """Do what is asked for; why it failed, or nothing."""
    if asked.action_id in (wire_early.SCRAPE, wire_early.SCREENSHOT):
        return ""
    browsers, action = request.app[BROWSERS], asked.action
    if action is None:
        type_ = request.app[EARLY_SPACES].type_of(session_id, asked.action_id)
        action = wire_early.element_action(asked, type_)
    if action.type == "upload_file":
        try:
            action = replace(action, file=await browsers.file_of(session_id, asked.value, who))
        except NotFound:
            return f"{asked.action_id} failed: the session has no file {asked.value!r}."
    done = (await browsers.act(session_id, action, who)).done
    return "" if done.success else f"{asked.action_id} failed: {done.message}"


async def _goto(request: web.Request, session_id: str, url: str, who: Caller) -> None:
    """Go there where there is anywhere to go; raises PageRefused."""
    if url:
        acted = await request.app[BROWSERS].act(session_id, Action(type="goto", url=url), who)
        if not acted.done.success:
            raise PageRefused(acted.done.message)


async def _observed(
    request: web.Request,
    state: Session,
    target: wire_early.Target,
    actions_max: int,
    who: Caller,
) -> Seen:
    screenshot = wire_early.wants_screenshot(target.start, state.spec)
    seen = await request.app[BROWSERS].observe(
        state.id, who, actions_max=actions_max, screenshot=screenshot
    )
    found = seen.observation
    request.app[EARLY_SPACES].observed(state.id, found.actions)
    return Seen(place=found.place, at=seen.ended_at, observation=found, screenshot=found.screenshot)


async def _operated(
    request: web.Request, target: wire_early.Target, who: Caller, do: Do, *, images: bool = False
) -> web.Response:
    """What `do` found out in the session; one that was opened for it is closed, if it is not kept.

    A session of the caller's goes on where `do` fails.
    """
    browsers, own = request.app[BROWSERS], target.session_id is None
    if target.session_id is None:
        state = await _made(request, target.start, who)
        goes_on = target.start.keep_alive is True
    else:
        state = await session_of_kind(request, target.session_id, who, "browser")
        goes_on = wire_early.goes_on(state.spec, target.start)
    try:
        seen = await do(state)
    except BaseException:
        if own:
            await asyncio.shield(_end(browsers, state.id, SERVICE))
        raise
    if not goes_on:
        await asyncio.shield(_end(browsers, state.id, who))
    state = await request.app[SESSIONS].get(state.id, who)
    session = shape(request, state, who)

    def encoded() -> bytes:
        return msgspec.json.encode(page_answer(session, seen, images))

    return Answer(await asyncio.to_thread(encoded))


async def _made(request: web.Request, asked: wire_early.Start, who: Caller) -> Session:
    command = wire_early.to_command(asked, who.actor)
    return await request.app[BROWSERS].create(ids.uuid7(), command, Opening(), who)


async def _end(browsers: BrowserSessions, session_id: str, who: Caller) -> None:
    with contextlib.suppress(AlreadyEnded):
        await browsers.stop(session_id, who, "finished")
