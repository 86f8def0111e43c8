"""What becomes of a session that workers may have: offered, claimed, reported on, given back; pure.

Every claim has a generation, and whatever a worker wants is decided against the state of the
session: the one that holds it gets its way, a late one is `Fenced`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from eventstore.codec import Fact
from projections.events.session import SessionStatusChanged
from projections.events.status import Kind, Reason, Status
from projections.events.work import Released, WorkClaimed, WorkOffered, WorkReleased, WorkTerms
from projections.folds.session import Session
from projections.folds.work import Work
from sessions.domain import checks
from sessions.domain.policy import ATTEMPTS_MAX, WORKED_ON, WORKER_CHARS_MAX, allowed
from sessions.domain.rejections import (
    AlreadyEnded,
    Fenced,
    InvalidValue,
    NotConfigurable,
    TransitionNotAllowed,
)

Facts = tuple[Fact, ...]

CLAIMABLE: Final[frozenset[Status]] = frozenset({"pending", "queued"})


def check_terms(kind: Kind, terms: WorkTerms) -> None:
    """Raises InvalidValue for a kind that workers never have, and for terms out of range."""
    if kind not in WORKED_ON:
        raise InvalidValue("work", f"sessions of the kind {kind} have a runtime, not workers")
    check_labels(terms.requires)
    if not 1 <= terms.attempts_max <= ATTEMPTS_MAX:
        raise InvalidValue("attempts_max", f"between 1 and {ATTEMPTS_MAX}")


def check_labels(labels: Sequence[str]) -> None:
    """Raises InvalidValue for what cannot be labels of a worker."""
    checks.labels(labels)


def check_worker(name: str) -> None:
    """Raises InvalidValue for a name that is none."""
    if not 1 <= len(name) <= WORKER_CHARS_MAX or not name.isprintable():
        raise InvalidValue("worker", f"1 to {WORKER_CHARS_MAX} printable characters")


def offer(state: Session, terms: WorkTerms) -> Facts:
    """The session may be claimed on these terms; one that runs without a worker is queued."""
    check_terms(state.kind, terms)
    if state.ended:
        raise AlreadyEnded(state.status)
    if state.held:
        raise NotConfigurable("A worker has the session: its terms stay as they are.")
    facts: Facts = () if _has(state.work, terms) else (WorkOffered(terms=terms),)
    if state.status in CLAIMABLE:
        return facts
    if not allowed(state.status, "queued"):
        raise TransitionNotAllowed(state.status, "queued")
    return (*facts, moved(state, "queued", "requested"))


def _has(work: Work | None, terms: WorkTerms) -> bool:
    return work is not None and (work.requires, work.on_loss, work.attempts_max) == (
        terms.requires,
        terms.on_loss,
        terms.attempts_max,
    )


def claim(state: Session, worker: str, lease_s: int) -> Facts:
    """The worker has the session from now on; nothing where it does not wait for one."""
    if not state.waits_for_worker or state.work is None:
        return ()
    claimed = WorkClaimed(generation=state.work.generation + 1, worker=worker, lease_s=lease_s)
    return claimed, moved(state, "starting", "requested")


def check_holder(state: Session, generation: int) -> Work:
    """The work, which the worker of this generation has; raises Fenced and AlreadyEnded."""
    work = state.work
    if work is None or work.generation != generation:
        raise Fenced
    if state.ended:
        raise AlreadyEnded(state.status)
    if not work.worker:
        raise Fenced
    return work


def was_held(state: Session, generation: int) -> bool:
    """True if the worker of this generation has the session, or had it when it ended."""
    work = state.work
    if work is None or work.generation != generation:
        return False
    return state.ended or work.worker != ""


def release(state: Session, generation: int, why: Released, detail: str) -> Facts:
    """The session is given back: it waits for another worker, or is lost; raises as above."""
    work = check_holder(state, generation)
    checks.detail(detail)
    released = WorkReleased(generation=generation, why=why, detail=detail)
    return released, *_after_loss(state, work, why, detail)


def _after_loss(state: Session, work: Work, why: Released, detail: str) -> Facts:
    if state.status in CLAIMABLE:
        return ()
    if state.status == "stopping":
        return (moved(state, "stopped", state.reason, detail),)
    # What has not begun can begin again, whatever the terms say of what has.
    again = work.on_loss == "requeue" or state.status == "starting"
    used_up = why != "drained" and work.attempts >= work.attempts_max
    if not again or used_up:
        return (moved(state, "lost", "runtime_lost", detail),)
    reason: Reason = "runtime_lost" if why == "lapsed" else "requested"
    match state.status:
        case "paused":
            return ()  # whoever paused it says when it is to go on
        case "pausing":
            return (moved(state, "paused", reason, detail),)
        case _:
            return (moved(state, "queued", reason, detail),)


def moved(state: Session, to: Status, reason: Reason, detail: str = "") -> SessionStatusChanged:
    """The step from the status of `state`, which the status machine must have."""
    assert allowed(state.status, to)
    return SessionStatusChanged(was=state.status, to=to, reason=reason, detail=detail)
