"""BrowserSessions over a real log in a folder, without HTTP: opened, crashed and opened again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from eventstore.artifacts import ArtifactStore
from eventstore.commit import Commit
from projections.events import CODEC
from projections.folds.browser import Visit
from projections.folds.session import Session
from projections.views.browsers import sessions_with_browsers
from sessions import ids
from sessions.app import wall_clock_us
from sessions.artifacts import Artifacts
from sessions.browser_answers import Opening
from sessions.browser_book import BrowserBook
from sessions.browser_life import Limits
from sessions.browsers import BrowserSessions
from sessions.caller import Caller
from sessions.domain.admission import Budget
from sessions.domain.commands import CreateSession
from sessions.gate import Gate
from sessions.runtimes.browser.port import Action
from tests.support.machine_service import USER as USER
from tests.support.scripted_browsers import ScriptedBrowsers
from tests.support.standing import Standing, standing

ROOM: int = 4
PATIENT = Limits(calls=4)
"""Whatever the machine has to do besides: nothing is given up that goes on."""
QUICK = Limits(
    start_s=0.5, wait_s=0.8, answer_s=0.3, stop_s=0.2, files_s=1.0, aftermath_s=0.5, calls=4
)
"""For a use of what hangs now and then, where whatever is given up is well."""
ARTIFACT_BYTES = 1 << 20


def room_for(count: int, queue: int = 8) -> Budget:
    """So many browsers at once, and so many that wait."""
    return Budget(memory_mb=count, count=count, starts=count, queue=queue)


def goto(url: str) -> Action:
    """Go there."""
    return Action(type="goto", url=url)


class Service:
    """What a test looks at."""

    def __init__(
        self,
        below: Standing,
        browsers: BrowserSessions,
        runtime: ScriptedBrowsers,
        artifacts: Artifacts,
        folder: Path,
    ) -> None:
        self.log = below.log
        self.sessions = below.sessions
        self.vault = below.vault
        self.follower = below.follower
        self.browsers = browsers
        self.runtime = runtime
        self.artifacts = artifacts
        self.folder = folder
        """Where the files of browsers lie."""

    async def session(
        self, opening: Opening | None = None, who: Caller = USER, **fields: Any
    ) -> str:
        """The id of a new session of browsers, whose browser opens."""
        session_id = ids.uuid7()
        command = CreateSession(
            kind="browser", dialect="notte", owner=who.actor, idle_timeout_s=300, **fields
        )
        await self.browsers.create(session_id, command, opening or Opening(), who)
        return session_id

    async def state(self, session_id: str) -> Session:
        """The session as it is now."""
        return await self.sessions.find(session_id, USER)

    async def visit(self, session_id: str) -> Visit:
        """Its browser as the log has it."""
        visit = (await self.state(session_id)).browser
        assert visit is not None
        return visit

    async def status(self, session_id: str) -> tuple[str, str]:
        """The status of a session and the reason for it."""
        state = await self.state(session_id)
        return state.status, state.reason

    async def commits(self, session_id: str) -> list[Commit]:
        """The history of a session."""
        return await self.sessions.commits(session_id, USER)

    async def facts(self, session_id: str) -> list[Any]:
        """All facts of a session."""
        commits = await self.commits(session_id)
        return [CODEC.decode(event) for commit in commits for event in commit.events]

    async def names(self, session_id: str) -> list[str]:
        """The names of all facts of a session."""
        return [fact.NAME for fact in await self.facts(session_id)]

    async def told(self, session_id: str, name: str) -> list[dict[str, Any]]:
        """The facts of one name, as JSON has them."""
        facts = await self.facts(session_id)
        return [msgspec.to_builtins(fact) for fact in facts if name == fact.NAME]

    async def log_text(self) -> bytes:
        """All that the log holds."""
        return b"".join(recorded.body for recorded in await self.log.read(limit=100_000))

    async def bytes_of(self, session_id: str, sha256: str) -> bytes:
        """The bytes of an artifact."""
        async with self.artifacts.read(session_id, sha256) as parts:
            return b"".join([part async for part in parts])


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    log: Any,
    runtime: ScriptedBrowsers,
    *,
    limits: Limits = PATIENT,
    budget: Budget | None = None,
    clock_us: Callable[[], int] = wall_clock_us,
    close: bool = True,
) -> AsyncIterator[Service]:
    """A service on `log`; without `close` it ends as a crash ends it."""
    async with standing(folder, log, clock_us, close=close) as (below, runtimes):
        store = ArtifactStore(folder)
        artifacts = Artifacts(store, below.sessions, log, clock_us, ARTIFACT_BYTES)
        await artifacts.clear_up()
        book = BrowserBook(below.sessions, below.vault, artifacts)

        async def open_sessions() -> AsyncIterator[Session]:
            await below.follower.reached(log.size)
            async for session in sessions_with_browsers(below.views):
                yield session

        files = folder / "browsers" / "files"
        gate = Gate(budget or room_for(ROOM), "browsers")
        browsers = BrowserSessions(book, runtime, gate, files, open_sessions, clock_us, limits)

        def notify(state: Session) -> None:
            below.sessions.waiters.notify(state)
            browsers.notice(state)

        below.follower.states.on_change[Session] = notify
        runtimes.push_async_callback(browsers.close)
        await browsers.open()
        yield Service(below, browsers, runtime, artifacts, files)
