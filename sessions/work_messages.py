"""What users say to a worker: read from the session's history, and told of as it is said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from eventstore.commit import Commit, Event, Position, Recorded
from eventstore.vault import Vault
from projections.events import CODEC
from projections.events.session import (
    MessageAdded,
    SessionDeleted,
    SessionErased,
    SessionStatusChanged,
)
from projections.events.work import WorkClaimed, WorkReleased
from projections.folds.session import PREFIX, Session
from sessions.caller import Caller
from sessions.conversation import Said, opened, said_in
from sessions.service import Sessions

PAGE: Final = 500
# One answer holds so many messages, or so many characters; the rest comes with the next one.
MESSAGES_MAX: Final = 100
CHARS_MAX: Final = 1 << 20

_NEWS: Final = frozenset(
    fact.NAME
    for fact in (SessionStatusChanged, SessionDeleted, SessionErased, WorkClaimed, WorkReleased)
)


class Hearing:
    """Wakes who listens for what concerns the worker of a session; its own words do not."""

    def __init__(self) -> None:
        self._listening: dict[str, set[asyncio.Event]] = {}

    def apply(self, batch: Sequence[Recorded]) -> None:
        """More is in the log."""
        if not self._listening:
            return
        for recorded in batch:
            listening = self._listening.get(recorded.commit.stream)
            if listening and any(map(_concerns_worker, recorded.commit.events)):
                for event in listening:
                    event.set()

    def wake_all(self) -> None:
        """Everybody looks again."""
        for listening in self._listening.values():
            for event in listening:
                event.set()

    @contextlib.contextmanager
    def of(self, session_id: str) -> Iterator[asyncio.Event]:
        """Set whenever something concerns the worker of this session."""
        event = asyncio.Event()
        listening = self._listening.setdefault(PREFIX + session_id, set())
        listening.add(event)
        try:
            yield event
        finally:
            listening.discard(event)
            if not listening:
                self._listening.pop(PREFIX + session_id, None)


def _concerns_worker(event: Event) -> bool:
    if event.type != MessageAdded.NAME:
        return event.type in _NEWS
    fact = CODEC.decode(event)
    return isinstance(fact, MessageAdded) and fact.role == "user"


async def heard(
    sessions: Sessions, vault: Vault, state: Session, after: Position, who: Caller
) -> tuple[list[Said], Position]:
    """What users said after a position, oldest first, and up to where that was looked for."""
    said: list[Said] = []
    chars = 0
    while after < state.position:
        page = await sessions.commits(state.id, who, after, PAGE)
        for commit in page:
            said += _by_users(commit)
            chars += sum(memoryview(event.data).nbytes for event in commit.events)
            after = commit.position
            if len(said) >= MESSAGES_MAX or (said and chars >= CHARS_MAX):
                return await opened(vault, said), after
        if len(page) < PAGE:
            break
    return await opened(vault, said), after


def _by_users(commit: Commit) -> list[Said]:
    return [one for one in said_in(commit) if one.fact.role == "user"]
