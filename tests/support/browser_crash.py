"""A user of browsers, a service that dies under that user at a named append, and what is then true.

Browsers do not outlive their service; what lies in the data folder does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from eventstore.errors import EventStoreError
from eventstore.memory import MemoryLog
from projections.events.status import ENDED
from projections.folds.session import PREFIX, Session
from sessions.browser_answers import Opening
from sessions.domain.commands import Delete
from sessions.domain.rejections import Rejection
from sessions.runtimes.browser.port import Action, BrowserError, ScrapeWanted
from tests.support.browser_service import USER, Service, goto, opened, room_for
from tests.support.dying_log import Dying
from tests.support.machine_service import until
from tests.support.scripted_browsers import ScriptedBrowsers

AT_REST = frozenset({"pending", "running", *ENDED})
ROOM = 2


async def _parts() -> AsyncIterator[bytes]:
    yield b"1"


async def use_everything(service: Service) -> None:
    """All that a user does with browsers, one thing after the other, whatever is refused."""
    browsers = service.browsers
    made: list[str] = []

    async def create() -> None:
        made.append(await service.session(Opening(headers={"A": "1"})))

    async def of(number: int, do: Callable[[str], Awaitable[Any]]) -> None:
        if number < len(made):
            await do(made[number])

    steps: list[Callable[[], Awaitable[Any]]] = [
        create,
        create,
        create,
        lambda: of(0, lambda it: browsers.upload(it, "up.txt", "", _parts(), USER)),
        lambda: of(0, lambda it: browsers.act(it, goto("https://a.test/download/f"), USER)),
        lambda: of(0, lambda it: browsers.observe(it, USER)),
        lambda: of(1, lambda it: browsers.act(it, _fill(), USER)),
        lambda: of(0, lambda it: browsers.scrape(it, ScrapeWanted(), USER)),
        lambda: of(1, lambda it: browsers.screenshot(it, USER)),
        lambda: of(1, lambda it: browsers.set_cookies(it, [{"name": "a", "value": "b"}], USER)),
        lambda: of(0, lambda it: browsers.stop(it, USER)),
        lambda: of(2, lambda it: browsers.observe(it, USER)),
        lambda: of(1, lambda it: service.sessions.execute(it, Delete(), USER)),
        create,
        lambda: of(3, lambda it: browsers.stop(it, USER, "client_error")),
    ]
    for step in steps:
        with contextlib.suppress(Rejection, BrowserError, EventStoreError):
            await step()


def _fill() -> Action:
    return Action(type="fill", id="I1", value="x", timeout_ms=10)


async def appends_of_a_use(folder: Path) -> int:
    """How many appends `use_everything` makes where nothing goes wrong."""
    runtime = ScriptedBrowsers()
    log = Dying(MemoryLog(), runtime.script, 1 << 30, after=False)
    async with opened(folder, log, runtime, budget=room_for(ROOM)) as service:
        await use_everything(service)
        await settled(service)
    return log.appends


async def killed_at(folder: Path, at: int, *, after: bool) -> MemoryLog:
    """What a service that was killed at that append leaves: its log, and the data folder."""
    log, runtime = MemoryLog(), ScriptedBrowsers()
    dying = Dying(log, runtime.script, at, after=after)
    async with opened(folder, dying, runtime, budget=room_for(ROOM), close=False) as service:
        using = asyncio.create_task(use_everything(service))
        dead = asyncio.create_task(dying.dead.wait())
        await asyncio.wait({using, dead}, return_when=asyncio.FIRST_COMPLETED)
    return log


async def every(service: Service) -> list[Session]:
    """Every session that there is."""
    log = await service.log.read(limit=100_000)
    streams = {one.commit.stream for one in log if one.commit.stream.startswith(PREFIX)}
    return [await service.state(stream.removeprefix(PREFIX)) for stream in sorted(streams)]


async def settled(service: Service) -> None:
    """Return when nothing moves by itself any more: no browser comes up or goes down."""

    async def still() -> bool:
        for session in await every(service):
            visit = session.browser
            waits = visit is not None and visit.open and session.status != "running"
            queued = service.browsers.now(session.id).queued is not None
            if waits and not (queued and session.status == "queued"):
                return False
            folder = service.folder / session.id
            if session.ended and await asyncio.to_thread(folder.exists):
                return False
        return True

    await until(still, 60.0)


async def check(service: Service) -> None:
    """Nothing is stuck, nothing runs that nobody owns, and no file lies where it must not."""
    runtime, alive = service.runtime, set[str]()
    for session in await every(service):
        visit = session.browser
        queued = service.browsers.now(session.id).queued is not None
        assert session.status in AT_REST or (queued and session.status == "queued"), session
        if session.ended or session.deleted:
            assert visit is None or not visit.open, session
        elif session.status == "running":
            assert session.id in runtime.running, session
            alive.add(session.id)
    assert set(runtime.running) == alive, "browsers run that nobody owns"
    lie = [path.name for path in service.folder.iterdir()] if service.folder.exists() else []
    assert set(lie) <= alive, "files lie there that nobody owns"


async def every_session_goes_on(service: Service) -> None:
    """Each session that has not ended can be used, and stopped."""
    for session in await every(service):
        if not session.ended and not session.deleted:
            await service.browsers.observe(session.id, USER)
            await service.browsers.stop(session.id, USER)
