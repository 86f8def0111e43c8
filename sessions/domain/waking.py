"""What a word of its user does to a session that sleeps; pure."""

from __future__ import annotations

from eventstore.codec import Fact
from projections.events.session import SessionStatusChanged
from projections.events.status import Status
from projections.folds.session import Session


def woken(state: Session) -> tuple[Fact, ...]:
    """How a paused session goes on: with whoever has it, else it waits for someone who may."""
    if state.status != "paused":
        return ()
    if state.held:
        return (_step("paused", "running"),)
    return _step("paused", "resuming"), _step("resuming", "queued")


def _step(was: Status, to: Status) -> SessionStatusChanged:
    return SessionStatusChanged(was=was, to=to, reason="requested")
