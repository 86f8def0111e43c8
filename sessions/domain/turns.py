"""What becomes of a conversation that is evaluated: turns come, change and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from eventstore.codec import Fact
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.folds.session import Session
from projections.folds.turns import Turn
from sessions.domain.rejections import AlreadyEnded, InvalidValue, NotFound
from sessions.domain.reopening import reopened

TURNS_MAX: Final = 10_000
"""How many turns one session may ever have."""

Closed = Literal["reject", "ignore", "reopen"]
"""What becomes of a turn that comes after the end of its session."""

Data = Mapping[str, Any]


def record(state: Session, turns: Sequence[Data], closed: Closed, now: int) -> tuple[Fact, ...]:
    """The next turns of the session, which runs again if it had ended; none if that ignores them.

    Raises NotFound, InvalidValue, and AlreadyEnded for one that refuses them or stays ended.
    """
    of_evaluation(state)
    if state.ended and closed == "reject":
        raise AlreadyEnded(state.status)
    if state.ended and closed == "ignore":
        return ()
    if state.turns + len(turns) > TURNS_MAX:
        raise InvalidValue("turns", f"a session has at most {TURNS_MAX} turns")
    told = (TurnRecorded(index=state.turns + n, data=dict(data)) for n, data in enumerate(turns))
    return (*reopened(state, now), *told)


def change(turn: Turn, changes: Data) -> tuple[Fact, ...]:
    """What is new of the turn; None takes a field away, and a closed session allows it too."""
    new = {key: value for key, value in changes.items() if turn.data.get(key) != value}
    return (TurnChanged(index=turn.index, data=new),) if new else ()


def remove(turn: Turn) -> tuple[Fact, ...]:
    """The turn goes; its index is not used again."""
    return (TurnRemoved(index=turn.index),)


def of_evaluation(state: Session) -> None:
    """Raises NotFound for a session that has no turns by its kind."""
    if state.kind != "evaluation":
        raise NotFound("There is no such session.")
