"""Why a session is in the state it is in, who brought it there, and what would move it on; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import START, Commit, Position
from projections.events import CODEC
from projections.events.session import (
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionExtended,
    SessionStatusChanged,
)
from projections.events.status import STATUSES, Reason, Status
from projections.folds.session import Session, evolve, expiry, idle_deadline, max_deadline
from projections.story import tell
from sessions.domain.policy import TRANSITIONS, reopens

STEPS_MAX: Final = 100

ClockName = Literal["idle_timeout", "max_duration", "expired"]
Awaited = Literal["client", "worker", "runtime", "work", "person", "nothing"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that did something, and where that came from."""

    position: Position
    at: int
    actor: str
    commit_id: str
    correlation_id: str
    causation: Position
    traceparent: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """How the session came to a status; `was` is None where it was created in it."""

    was: Status | None
    to: Status
    reason: Reason
    detail: str
    words: str
    cause: Cause


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that runs: its length, what it counts from, when it fires, and who set it.

    `length_s` and `since` are None for a session that expires at a fixed time.
    """

    name: ClockName
    deadline: int
    length_s: int | None
    since: int | None
    set_by: Cause


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """That the session was deleted, or erased."""

    reason: Reason
    cause: Cause


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of a session says of its state, as far as it was followed.

    Of a long history the first step and the last ones are kept; `left_out` counts the others.
    `fired` is the clock that ended the session; `used` is the last use, `used_before` the last one
    before the last step, which is a use itself.
    """

    state: Session | None = None
    steps: tuple[Step, ...] = ()
    left_out: int = 0
    used: Cause | None = None
    used_before: Cause | None = None
    idle_set: Cause | None = None
    max_set: Cause | None = None
    fired: Clock | None = None
    deleted: Gone | None = None
    erased: Gone | None = None

    @property
    def position(self) -> Position:
        """The last position that was followed."""
        return START if self.state is None else self.state.position

    @property
    def last_used(self) -> Cause | None:
        """The last use; of a session that has ended, the last one before its end."""
        return self.used_before if self.state is not None and self.state.ended else self.used


def follow(trail: Trail, commits: Iterable[Commit]) -> Trail:
    """The trail after more commits of the session's stream."""
    for commit in commits:
        cause = _cause(commit)
        for event in commit.events:
            fact = CODEC.decode(event)
            before = trail.state
            after = evolve(before, fact, commit)
            if after is None:
                continue
            if isinstance(fact, SessionCreated | SessionStatusChanged):
                step = _step(fact, cause, tell(event).words)
                trail = replace(trail, fired=_fired(trail, step, commit.at))
                trail = replace(trail, **_with_step(trail, step), used_before=trail.used)
            if before is None or before.active_at != after.active_at:
                trail = replace(trail, used=cause)
            trail = _noted(replace(trail, state=after), fact, cause)
    return trail


def _cause(commit: Commit) -> Cause:
    return Cause(
        position=commit.position,
        at=commit.at,
        actor=commit.actor,
        commit_id=commit.id,
        correlation_id=commit.correlation_id,
        causation=commit.causation,
        traceparent=commit.traceparent,
    )


def _step(fact: SessionCreated | SessionStatusChanged, cause: Cause, words: str) -> Step:
    if isinstance(fact, SessionCreated):
        was, to, detail = None, fact.status, ""
    else:
        was, to, detail = fact.was, fact.to, fact.detail
    return Step(was=was, to=to, reason=fact.reason, detail=detail, words=words, cause=cause)


def _with_step(trail: Trail, step: Step) -> dict[str, object]:
    if len(trail.steps) < STEPS_MAX:
        return {"steps": (*trail.steps, step)}
    first, _, *rest = trail.steps
    return {"steps": (first, *rest, step), "left_out": trail.left_out + 1}


def _fired(trail: Trail, step: Step, at: int) -> Clock | None:
    """The clock that the step is the work of; None if somebody was faster."""
    if step.to != "timed_out":
        return None
    due = (clock for clock in clocks(trail) if clock.name == step.reason)
    return next((clock for clock in due if clock.deadline <= at), None)


def _noted(trail: Trail, fact: Fact, cause: Cause) -> Trail:
    if isinstance(fact, SessionCreated):
        return replace(trail, idle_set=cause, max_set=cause)
    if isinstance(fact, SessionExtended):
        idle = trail.idle_set if fact.idle_timeout_s is msgspec.UNSET else cause
        longest = trail.max_set if fact.max_duration_s is msgspec.UNSET else cause
        return replace(trail, idle_set=idle, max_set=longest)
    if isinstance(fact, SessionDeleted):
        return replace(trail, deleted=Gone(reason=fact.reason, cause=cause))
    if isinstance(fact, SessionErased):
        return replace(trail, erased=Gone(reason=fact.reason, cause=cause))
    return trail


def clocks(trail: Trail) -> tuple[Clock, ...]:
    """The clocks that run, the first to fire first."""
    state = trail.state
    if state is None or state.deleted or trail.idle_set is None or trail.max_set is None:
        return ()
    created = trail.steps[0].cause
    known: tuple[tuple[ClockName, int | None, int | None, int | None, Cause], ...] = (
        (
            "idle_timeout",
            idle_deadline(state),
            state.idle_timeout_s,
            state.active_at,
            trail.idle_set,
        ),
        ("max_duration", max_deadline(state), state.max_duration_s, created.at, trail.max_set),
        ("expired", expiry(state), None, None, created),
    )
    running = [
        Clock(name=name, deadline=deadline, length_s=length, since=since, set_by=who)
        for name, deadline, length, since, who in known
        if deadline is not None
    ]
    return tuple(sorted(running, key=lambda clock: clock.deadline))


def onward(state: Session) -> tuple[Status, ...]:
    """The statuses that the session can be moved to, in the order of a life."""
    if state.deleted:
        return ()
    if reopens(state.kind, state.status):
        return ("running",)
    return tuple(status for status in STATUSES if status in TRANSITIONS[state.status])


def awaits(state: Session) -> Awaited:
    """What the session waits for."""
    return "worker" if state.waits_for_worker else AWAITED[state.status]


AWAITED: Final[dict[Status, Awaited]] = {
    "pending": "client",
    "queued": "worker",
    "starting": "runtime",
    "running": "work",
    "blocked": "person",
    "pausing": "runtime",
    "paused": "client",
    "resuming": "runtime",
    "stopping": "runtime",
    "completed": "nothing",
    "failed": "nothing",
    "timed_out": "nothing",
    "stopped": "nothing",
    "lost": "nothing",
}
"""What a session in each status waits for, unless it waits for a worker."""
