"""Work in flight counts as activity: a session is not idle while something is done in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from sessions.caller import Caller
from sessions.service import Sessions

TOUCHES_PER_IDLE: Final = 3


@contextlib.asynccontextmanager
async def in_use(sessions: Sessions, session_id: str, who: Caller) -> AsyncIterator[None]:
    """The session counts as used for so long; entering raises NotFound or Deleted."""
    session = await sessions.touch(session_id, who)
    idle_s = session.idle_timeout_s
    touching = None
    if idle_s is not None:
        every_s = idle_s / TOUCHES_PER_IDLE
        touching = asyncio.create_task(_touch(sessions, session_id, every_s, who))
    try:
        yield
    finally:
        if touching is not None:
            touching.cancel()
        with contextlib.suppress(Exception):
            await sessions.touch(session_id, who)


async def _touch(sessions: Sessions, session_id: str, every_s: float, who: Caller) -> None:
    while True:
        await asyncio.sleep(every_s)
        with contextlib.suppress(Exception):
            await sessions.touch(session_id, who)
