"""What becomes of a session that is archived: it can be read, and nothing goes on in it; pure."""

from __future__ import annotations

from typing import Final

from eventstore.codec import Fact
from projections.events.session import SessionConfigured, SessionStatusChanged
from projections.events.status import Status
from projections.events.work import WorkReleased
from projections.folds.session import Session
from sessions.domain.policy import WAITING

Facts = tuple[Fact, ...]

ARCHIVED: Final = "is_archived"
NOT_BEGUN: Final = "archived before its work began"
PUT_TO_SLEEP: Final = "archived"


def is_archived(state: Session) -> bool:
    """True for a session that is only there to be read."""
    return state.spec.get(ARCHIVED) is True


def archive(state: Session) -> Facts:
    """The session is archived: one at work sleeps, and one that has not begun never will."""
    return () if is_archived(state) else (*noted(state), *_stilled(state))


def noted(state: Session) -> Facts:
    """That the session is archived, if that was not noted before."""
    return () if is_archived(state) else (SessionConfigured(spec={ARCHIVED: True}),)


def _stilled(state: Session) -> Facts:
    if state.ended or state.status == "stopping":
        return ()
    if state.status in WAITING:
        return (_step(state, "stopped", NOT_BEGUN),)
    paused = () if state.status == "paused" else (_step(state, "paused", PUT_TO_SLEEP),)
    return *_let_go(state), *paused


def _let_go(state: Session) -> Facts:
    """Whoever is at work on the session hears that it is theirs no more."""
    if state.work is None or not state.held:
        return ()
    generation = state.work.generation
    return (WorkReleased(generation=generation, why="drained", detail=PUT_TO_SLEEP),)


def _step(state: Session, to: Status, detail: str) -> SessionStatusChanged:
    return SessionStatusChanged(was=state.status, to=to, reason="requested", detail=detail)
