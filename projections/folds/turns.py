"""The turns of a conversation that is evaluated, folded from the stream of its session.

There may be thousands, so the state is updated in place; it is no row of the views but is folded
when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import START, Commit, Position
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.folds.merging import merged


class Turn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A turn as of `position`; instants in microseconds since the epoch.

    `created` and `position` are the positions of the first and last commit that told of it.
    """

    index: int
    data: dict[str, Any]
    created: Position
    position: Position
    created_at: int
    updated_at: int


class Turns(msgspec.Struct, kw_only=True):
    """The turns of a session as of `position`, by index and in its order; changed in place.

    `following` is the index that the next one gets.
    """

    position: Position = START
    by_index: dict[int, Turn] = {}
    following: int = 0


def evolve(turns: Turns, fact: Fact, commit: Commit) -> Turns:
    """The turns after one more fact: the same object, changed."""
    turns.position = commit.position
    step = _STEPS.get(type(fact))
    if step is not None:
        step(turns, fact, commit)
    return turns


def _recorded(turns: Turns, fact: TurnRecorded, commit: Commit) -> None:
    if fact.index < turns.following:
        return  # an index is never used again
    turns.following = fact.index + 1
    turns.by_index[fact.index] = Turn(
        index=fact.index,
        data=merged({}, fact.data),
        created=commit.position,
        position=commit.position,
        created_at=commit.at,
        updated_at=commit.at,
    )


def _changed(turns: Turns, fact: TurnChanged, commit: Commit) -> None:
    known = turns.by_index.get(fact.index)
    if known is not None:
        turns.by_index[fact.index] = replace(
            known,
            data=merged(known.data, fact.data),
            position=commit.position,
            updated_at=commit.at,
        )


def _removed(turns: Turns, fact: TurnRemoved, _: Commit) -> None:
    turns.by_index.pop(fact.index, None)


_STEPS: Final[dict[type, Callable[[Turns, Any, Commit], None]]] = {
    TurnRecorded: _recorded,
    TurnChanged: _changed,
    TurnRemoved: _removed,
}
