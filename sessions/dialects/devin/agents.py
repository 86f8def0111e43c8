"""What both generations of Devin's API do with an agent session."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from aiohttp import web

from eventstore.codec import Fact
from eventstore.commit import Commit, Position
from projections.folds.session import Session
from sessions import ids
from sessions.caller import Caller
from sessions.conversation import Said, opened, said_in
from sessions.dialects.devin.ids import native_id
from sessions.dialects.reading import session_of_kind
from sessions.domain import commands
from sessions.domain.archiving import archive, is_archived, noted
from sessions.domain.decide import decide
from sessions.domain.rejections import AlreadyEnded, NotFound
from sessions.domain.waking import woken
from sessions.failure import Failure
from sessions.web.appkeys import SESSIONS, VAULT

SESSION: Final = "session_id"
ARCHIVED: Final = "Devin session is archived"
AROUND_CHARS: Final = 256
SAID_CHARS_MAX: Final = 32 << 20
"""How much of a conversation one answer shows: an agent may go on without end."""


async def session_of_path(request: web.Request, who: Caller) -> Session:
    """The agent session whose id stands in the path; raises NotFound."""
    session_id = native_id(request.match_info[SESSION])
    if session_id is None:
        raise NotFound("There is no such session.")
    return await session_of_kind(request, session_id, who, "agent")


async def history(
    request: web.Request, state: Session, who: Caller, after: int | None = None
) -> AsyncIterator[Commit]:
    """The commits after the position `after`, up to the state that is shown."""
    last = Position(state.created - 1 if after is None else after)
    while last < state.position:
        page = await request.app[SESSIONS].commits(state.id, who, last)
        for commit in page:
            if commit.position <= state.position:
                yield commit
        last = page[-1].position if page else state.position


async def said_so_far(request: web.Request, state: Session, who: Caller) -> list[Said]:
    """What was said after the prompt, up to the state that is shown.

    Of more than `SAID_CHARS_MAX` characters the end.
    """
    if not state.messages:
        return []
    later: deque[Said] = deque()
    chars = 0
    async for commit in history(request, state, who):
        for said in said_in(commit):
            later.append(said)
            chars += _chars(said)
        while chars > SAID_CHARS_MAX:
            chars -= _chars(later.popleft())
    return await opened(request.app[VAULT], list(later))


def _chars(said: Said) -> int:
    # Who said it, and when, takes room too.
    return AROUND_CHARS + len(said.fact.content) + len(said.fact.sealed)


async def say(
    request: web.Request,
    state: Session,
    text: str,
    who: Caller,
    data: dict[str, Any] | None = None,
) -> Session:
    """The session after a message of its user, which wakes it where it sleeps.

    Raises AlreadyEnded, InvalidValue, and Failure for one that is archived.
    """
    command = commands.AddMessage(id=ids.uuid7(), role="user", content=text, data=data or {})

    def heard(state: Session, now: int) -> tuple[Fact, ...]:
        _check_open(state)
        return *decide(command, state, now), *woken(state)

    return await request.app[SESSIONS].change(state.id, heard, who)


async def label(
    request: web.Request,
    state: Session,
    tags_of: Callable[[tuple[str, ...]], tuple[str, ...]],
    who: Caller,
) -> Session:
    """The session with the tags that `tags_of` makes of those it has; raises Failure as above."""

    def labelled(state: Session, now: int) -> tuple[Fact, ...]:
        _check_open(state)
        return decide(commands.Configure(labels=tags_of(state.labels)), state, now)

    return await request.app[SESSIONS].change(state.id, labelled, who)


async def terminate(
    request: web.Request, state: Session, who: Caller, *, archived: bool = False
) -> Session:
    """The session, stopped for good; raises AlreadyEnded, also where another one was faster."""

    def stopped(state: Session, now: int) -> tuple[Fact, ...]:
        if state.ended:
            raise AlreadyEnded(state.status)
        facts = decide(commands.ChangeStatus(to="stopped"), state, now)
        return (*noted(state), *facts) if archived else facts

    return await request.app[SESSIONS].change(state.id, stopped, who)


async def put_away(request: web.Request, state: Session, who: Caller) -> Session:
    """The session, archived."""
    return await request.app[SESSIONS].change(state.id, lambda now, _: archive(now), who)


def _check_open(state: Session) -> None:
    if is_archived(state):
        raise Failure(400, "archived", ARCHIVED)
