"""The answer to "why?" in sentences, from the trail of a session; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from projections.events.status import Reason, Status
from projections.folds.session import Session
from projections.wording import items, plain, quoted, seconds, time_text
from sessions.domain.policy import reopens
from sessions.domain.why import Awaited, Cause, Clock, ClockName, Step, Trail, awaits, clocks

_KEY: Final = "key:"
_SERVICE: Final = "service"

WAITS: Final[dict[Awaited, str]] = {
    "client": "It waits for a client to move it on.",
    "worker": "It waits for a worker or a runtime that is free to take it.",
    "runtime": "It waits for its runtime to say that it is done.",
    "work": "It waits for the work in it to come to an end.",
    "person": "It waits for a person to answer or to let it go on.",
    "nothing": "It has ended: nothing moves it any more.",
}

REOPENS: Final = "It has ended, and can be opened again."

REASONS_SAID: Final[dict[Reason, str]] = {
    "requested": "as was asked for",
    "finished": "for its work was finished",
    "goal_achieved": "for its goal was reached",
    "idle_timeout": "for want of use",
    "max_duration": "for it had lasted as long as it may",
    "expired": "for it had not begun in time",
    "limit_reached": "for a limit was reached",
    "client_error": "for a mistake of its client",
    "runtime_failed": "for its runtime failed",
    "runtime_lost": "for its runtime was lost",
    "runtime_unavailable": "for there was no runtime for it",
    "capacity": "for want of room",
    "service_restart": "for the service was started anew",
    "deleted": "for it was deleted",
    "reopened": "for it was opened again",
}

_MOVED: Final[dict[Status, str]] = {
    "completed": "completed it",
    "failed": "declared it failed",
    "timed_out": "timed it out",
    "stopped": "stopped it",
    "lost": "gave it up as lost",
}


def sentences(trail: Trail) -> tuple[str, ...]:
    """Why the session is as it is, and what would move it on; for people."""
    state = trail.state
    return () if state is None else tuple(_sentences(trail, state))


def _sentences(trail: Trail, state: Session) -> Iterator[str]:
    yield _because(trail, trail.steps[-1])
    if trail.deleted is not None:
        cause = trail.deleted.cause
        yield f"It was deleted {_by(cause)}, {REASONS_SAID[trail.deleted.reason]}."
    if trail.erased is not None:
        yield f"It was erased {_by(trail.erased.cause)}: what was sealed in it is gone."
    again = not state.deleted and reopens(state.kind, state.status)
    yield REOPENS if again else WAITS[awaits(state)]
    yield from _work(state)
    for clock in clocks(trail):
        yield _ahead(clock)


def _work(state: Session) -> Iterator[str]:
    work = state.work
    if work is None:
        return
    if state.held and work.claimed_at is not None:
        since = f"since {time_text(work.claimed_at)}"
        tried = f"attempt {work.attempts} of {work.attempts_max}"
        yield f"Worker {quoted(work.worker)} has had it {since}: {tried}."
    elif state.waits_for_worker:
        whom = f"workers with {items(work.requires)}" if work.requires else "any worker"
        used = f"{work.attempts} of {work.attempts_max} attempts are used up"
        yield f"It is offered to {whom}; {used}."


def _because(trail: Trail, step: Step) -> str:
    cause = step.cause
    if step.was is None:
        return f"It is {step.to} since it was created {_by(cause)}{_detail(step)}."
    if trail.fired is not None:
        told = f"{actor(cause.actor)} ended it {_placed(cause)}"
        return f"It is {step.to}: {told}, for {_ran_out(trail, trail.fired)}."
    moved = _MOVED.get(step.to, "moved it")
    told = f"{actor(cause.actor)} {moved} from {step.was} {_placed(cause)}"
    return f"It is {step.to}: {told}, {REASONS_SAID[step.reason]}{_detail(step)}."


def _detail(step: Step) -> str:
    return f": {quoted(step.detail)}" if step.detail else ""


def _ran_out(trail: Trail, clock: Clock) -> str:
    if clock.name == "expired":
        return f"it had not begun by {time_text(clock.deadline)}, {_set(clock)}"
    if clock.name == "max_duration":
        return f"its longest duration of {seconds(clock.length_s)} ran out, {_set(clock)}"
    use = "" if trail.last_used is None else f" after it was last used {_by(trail.last_used)}"
    return f"its idle time-out of {seconds(clock.length_s)}, {_set(clock)}, ran out{use}"


def _set(clock: Clock) -> str:
    return f"set by {actor(clock.set_by.actor)} at position {clock.set_by.position}"


_AHEAD: Final[dict[ClockName, str]] = {
    "idle_timeout": "Unless it is used before, it times out at {at}: idle time-out of {length}",
    "max_duration": "At the latest it times out at {at}: longest duration of {length}",
    "expired": "Unless it begins before, it is ended and deleted at {at}",
}


def _ahead(clock: Clock) -> str:
    at, length = time_text(clock.deadline), seconds(clock.length_s)
    told = _AHEAD[clock.name].format(at=at, length=length)
    return f"{told}, {_set(clock)}."


def _by(cause: Cause) -> str:
    return f"by {actor(cause.actor)} {_placed(cause)}"


def _placed(cause: Cause) -> str:
    return f"at {time_text(cause.at)} (position {cause.position})"


def actor(name: str) -> str:
    """Who that is, in words."""
    if name == _SERVICE:
        return "the service"
    key = name.removeprefix(_KEY)
    return f"the key {quoted(key)}" if key != name else plain(name)
