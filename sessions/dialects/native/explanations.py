"""The answer to why a session is in its state, as the native API shows it; pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from projections.events.status import Reason, Status
from sessions.dialects.instants import instant
from sessions.domain.explanation import sentences
from sessions.domain.why import (
    Awaited,
    Cause,
    Clock,
    ClockName,
    Gone,
    Step,
    Trail,
    awaits,
    clocks,
    onward,
)


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that did something, and the request that it came from."""

    position: int
    at: datetime
    actor: str
    commit_id: str
    correlation_id: str
    causation: int
    traceparent: str


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """How the session came to a status; `was` is null where it was created in it."""

    was: Status | None
    to: Status
    reason: Reason
    detail: str
    words: str
    cause: CauseView


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that runs; what expires at a fixed time has no `length_s` and no `since`."""

    name: ClockName
    deadline: datetime
    length_s: int | None
    since: datetime | None
    set_by: CauseView


class GoneView(msgspec.Struct, frozen=True, kw_only=True):
    """That the session was deleted, or erased."""

    reason: Reason
    cause: CauseView


class WhyView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a session is in its state; `words` say it to people, the rest to programs."""

    id: str
    status: Status
    position: int
    words: tuple[str, ...]
    because: StepView
    fired: ClockView | None
    last_used: CauseView | None
    deletion: GoneView | None
    erasure: GoneView | None
    waits_for: Awaited
    clocks: list[ClockView]
    transitions: tuple[Status, ...]
    steps: list[StepView]
    steps_left_out: int


def why_view(trail: Trail) -> WhyView:
    """What a trail that leads to a session says."""
    state = trail.state
    assert state is not None
    return WhyView(
        id=state.id,
        status=state.status,
        position=state.position,
        words=sentences(trail),
        because=_step(trail.steps[-1]),
        fired=None if trail.fired is None else _clock(trail.fired),
        last_used=None if trail.last_used is None else _cause(trail.last_used),
        deletion=_gone(trail.deleted),
        erasure=_gone(trail.erased),
        waits_for=awaits(state),
        clocks=[_clock(clock) for clock in clocks(trail)],
        transitions=onward(state),
        steps=[_step(step) for step in trail.steps],
        steps_left_out=trail.left_out,
    )


def _cause(cause: Cause) -> CauseView:
    return CauseView(
        position=cause.position,
        at=instant(cause.at),
        actor=cause.actor,
        commit_id=cause.commit_id,
        correlation_id=cause.correlation_id,
        causation=cause.causation,
        traceparent=cause.traceparent,
    )


def _step(step: Step) -> StepView:
    return StepView(
        was=step.was,
        to=step.to,
        reason=step.reason,
        detail=step.detail,
        words=step.words,
        cause=_cause(step.cause),
    )


def _clock(clock: Clock) -> ClockView:
    return ClockView(
        name=clock.name,
        deadline=instant(clock.deadline),
        length_s=clock.length_s,
        since=None if clock.since is None else instant(clock.since),
        set_by=_cause(clock.set_by),
    )


def _gone(gone: Gone | None) -> GoneView | None:
    return None if gone is None else GoneView(reason=gone.reason, cause=_cause(gone.cause))
