"""A service with real browsers as a process of its own, its user, and what it may leave behind.

The user speaks today's API of Notte, as its client does.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from sessions.runtimes.browser.sweep import scratch_folder
from tests.support.process import Service, eventually, serving
from tests.support.process_family import Family
from tests.support.service import SESSIONS

PATIENCE_S: Final = 180.0
GONE_S: Final = 60.0
NOTTE: Final = "/notte"
ENDED: Final = frozenset({"closed", "error", "timed_out"})


class User:
    """What a user does over HTTP; every call has an end."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client

    async def said(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """Status and body of an answer, which is JSON in any case."""
        total = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with self.client.request(method, path, timeout=total, **request) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(body) if body else None

    async def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """The body of an answer with this status."""
        found, body = await self.said(method, path, **request)
        assert found == status, (method, path, found, body)
        return body

    async def start(self, **wanted: Any) -> str:
        """The id of a new session."""
        answer = await self.ask("POST", f"{NOTTE}/sessions/start", json=wanted)
        session_id: str = answer["session_id"]
        return session_id

    async def opened(self, url: str, **wanted: Any) -> str:
        """The id of a new session that is on this page."""
        session_id = await self.start(**wanted)
        # An action waits for the browser too, but not for as long as a busy machine may need.
        await self.reaches(session_id, "running", "failed", "lost")
        done = await self.act(session_id, "goto", url=url)
        assert done["success"], done
        return session_id

    async def act(self, session_id: str, kind: str, **fields: Any) -> Any:
        """What came of an action."""
        body = {"type": kind, **fields}
        return await self.ask("POST", f"{NOTTE}/sessions/{session_id}/page/execute", json=body)

    async def page(self, session_id: str, what: str, status: int = 200, **body: Any) -> Any:
        """The answer to `observe`, `scrape` or `screenshot`."""
        path = f"{NOTTE}/sessions/{session_id}/page/{what}"
        return await self.ask("POST", path, status, json=body)

    async def status(self, session_id: str) -> Any:
        """The session as Notte shows it."""
        return await self.ask("GET", f"{NOTTE}/sessions/{session_id}")

    async def native(self, session_id: str) -> Any:
        """The session as the native API shows it."""
        return await self.ask("GET", f"{SESSIONS}/{session_id}")

    async def now(self, session_id: str) -> tuple[str, str]:
        """Status and reason, in the service's own words."""
        state = await self.native(session_id)
        return state["status"], state["reason"]

    async def reaches(self, session_id: str, *statuses: str) -> tuple[str, str]:
        """Status and reason once the status is one of these; fails after a while."""
        give_up = time.monotonic() + PATIENCE_S
        while (now := await self.now(session_id))[0] not in statuses:
            assert time.monotonic() < give_up, (session_id, now, statuses)
            await asyncio.sleep(0.05)
        return now

    async def stop(self, session_id: str) -> Any:
        """The session, which is closed now."""
        stopped = await self.ask("DELETE", f"{NOTTE}/sessions/{session_id}/stop")
        assert stopped["status"] == "closed", stopped
        return stopped

    async def facts(self, session_id: str) -> list[str]:
        """The names of all facts of a session, oldest first."""
        path = f"{SESSIONS}/{session_id}/events"
        history = await self.ask("GET", path, params={"limit": "200"})
        return [event["type"] for item in history["items"] for event in item["events"]]


class Host:
    """A running service, its user, and its family of processes."""

    def __init__(self, service: Service, user: User, data: Path) -> None:
        self.service = service
        self.user = user
        self.data = data
        self.seen = data
        """The data folder as the test sees it, where that is not as the service does."""
        self.family = Family(service.pid, data)

    def files(self) -> list[Path]:
        """The folders of sessions that have one."""
        return _below(self.seen / "browsers" / "files")

    def left(self) -> list[Path]:
        """What lies where browsers have anything, of which nothing outlives the service."""
        scratch = scratch_folder(self.data)
        kept = _below(self.seen / "browsers" / "run")
        return [*self.files(), *kept, *([scratch] if scratch.exists() else [])]

    async def no_process(self) -> None:
        """Return when no process is left of all that were ever seen; fails after a while."""
        await eventually(lambda: not self.family.left(), GONE_S, "the end of every process")

    async def ends(self) -> None:
        """SIGTERM: it ends well, and leaves nothing."""
        self.family.note()
        await self.service.stop()
        await self.no_process()
        assert self.left() == []

    async def works(self, url: str) -> None:
        """A new session does all that a session is for, and ends."""
        session_id = await self.user.opened(url)
        observed = await self.user.page(session_id, "observe")
        assert observed["metadata"]["url"] == url
        await self.user.stop(session_id)


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


@contextlib.asynccontextmanager
async def hosting(
    data: Path, allow: str, *options: str, environ: Mapping[str, str] | None = None, **how: Any
) -> AsyncIterator[Host]:
    """A service that is ready, whose browsers may visit `allow` too."""
    given = ("--browser-allow", allow, *options)
    async with (
        serving(data, *given, environ=environ, **how) as service,
        service.client() as client,
    ):
        yield Host(service, User(client), data)


@contextlib.contextmanager
def cleared(data: Path) -> Iterator[Path]:
    """The data folder; what a killed service left of it elsewhere is removed afterwards."""
    try:
        yield data
    finally:
        shutil.rmtree(scratch_folder(data), ignore_errors=True)
