"""How a session that has ended goes on, where its kind allows it; pure."""

from __future__ import annotations

from typing import Final

from eventstore.codec import Fact
from projections.events.session import SessionConfigured, SessionExtended, SessionStatusChanged
from projections.folds.session import SECOND_US, Session
from sessions.domain.policy import DURATION_S_MAX, MAX_DURATION_S, reopens
from sessions.domain.rejections import AlreadyEnded

# What the spec of an evaluation says of its end, which is none any more.
TOLD_OF_THE_END: Final = ("stoppingReason", "error")


def reopened(state: Session, now: int, detail: str = "") -> tuple[Fact, ...]:
    """What makes an ended session run again at `now`, with time to do so; none if it has not ended.

    Raises AlreadyEnded for one that stays as it is.
    """
    if not state.ended:
        return ()
    age_s = max(0, now - state.created_at) // SECOND_US
    closed = state.deleted or not reopens(state.kind, state.status)
    if closed or age_s >= DURATION_S_MAX - 1:
        raise AlreadyEnded(state.status)
    facts: list[Fact] = []
    told = {name: None for name in TOLD_OF_THE_END if state.spec.get(name) is not None}
    if told:
        facts.append(SessionConfigured(spec=told))
    if age_s >= state.max_duration_s:
        # Its clock has run out while it was closed: it gets the time of a new one, or what is left.
        longest = min(age_s + MAX_DURATION_S[state.kind], DURATION_S_MAX)
        facts.append(SessionExtended(max_duration_s=longest))
    moved = SessionStatusChanged(was=state.status, to="running", reason="reopened", detail=detail)
    return *facts, moved
