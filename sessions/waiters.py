"""Waiting until a session is as somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from projections.folds.session import Session

Wanted = Callable[[Session], bool]


class Waiters:
    """Futures by session, resolved by the fold itself: nobody polls."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[Session]]] = {}

    def notify(self, state: Session) -> None:
        """Wake those who wait for this session."""
        if self._waiting:
            for future in self._waiting.pop(state.id, ()):
                if not future.done():
                    future.set_result(state)

    async def until(self, state: Session, wanted: Wanted, timeout_s: float) -> Session:
        """The first state from `state` on that is wanted, or the last one at the time-out."""
        try:
            async with asyncio.timeout(timeout_s):
                while not wanted(state):
                    state = await self._next(state.id)
        except TimeoutError:
            pass
        return state

    async def _next(self, session_id: str) -> Session:
        future: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session_id, set()).add(future)
        try:
            return await future
        finally:
            waiting = self._waiting.get(session_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[session_id]
