"""Who does the work of a session: what its facts in the session's stream add up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit
from projections.events.work import OnLoss, WorkClaimed, WorkOffered, WorkReleased, WorkTerms


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """On which terms a session is worked on, and by whom; `claimed_at` in microseconds.

    `worker` is "" when nobody holds the session; one that has ended still names whom it had then.
    `attempts` counts claims, but not those that were given back by a worker on its way out.
    """

    requires: tuple[str, ...] = ()
    on_loss: OnLoss = "requeue"
    attempts_max: int = 3
    generation: int = 0
    attempts: int = 0
    worker: str = ""
    lease_s: int = 0
    claimed_at: int | None = None


ON_OFFER: Final = Work()
"""The work of a session that nobody has claimed yet, on the usual terms."""


def offered(terms: WorkTerms) -> Work:
    """The work of a session that nobody has claimed yet."""
    return Work(requires=terms.requires, on_loss=terms.on_loss, attempts_max=terms.attempts_max)


def evolve(state: Work | None, fact: Fact, commit: Commit) -> Work | None:
    """The state after one more fact; facts of other things change nothing."""
    step = STEPS.get(type(fact))
    return state if step is None else step(ON_OFFER if state is None else state, fact, commit)


def let_go(state: Work) -> Work:
    """The work when nobody holds the session any more."""
    return replace(state, worker="", lease_s=0, claimed_at=None)


def _offered(state: Work, fact: WorkOffered, _: Commit) -> Work:
    terms = fact.terms
    return replace(
        state,
        requires=terms.requires,
        on_loss=terms.on_loss,
        attempts_max=terms.attempts_max,
    )


def _claimed(state: Work, fact: WorkClaimed, commit: Commit) -> Work:
    return replace(
        state,
        generation=fact.generation,
        attempts=state.attempts + 1,
        worker=fact.worker,
        lease_s=fact.lease_s,
        claimed_at=commit.at,
    )


def _released(state: Work, fact: WorkReleased, _: Commit) -> Work:
    if fact.generation != state.generation or not state.worker:
        return state
    attempts = state.attempts - 1 if fact.why == "drained" else state.attempts
    return replace(let_go(state), attempts=max(0, attempts))


STEPS: Final[dict[type, Callable[[Work, Any, Commit], Work]]] = {
    WorkOffered: _offered,
    WorkClaimed: _claimed,
    WorkReleased: _released,
}
