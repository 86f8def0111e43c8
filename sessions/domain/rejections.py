"""Why a command is refused; each has a stable code.

Rejection
    NotFound               there is no such session, or not for this caller
    Deleted                the session was deleted
    AlreadyExists          the id is taken
    TransitionNotAllowed   the status machine has no such step
    AlreadyEnded           nothing but deletion happens to an ended session
    NotConfigurable        the field can be changed only while the session is pending
    InvalidValue           a field is out of range
    RevisionMismatch       the session is not at the revision the caller named
    IdempotencyKeyReused   the key came before with another request
    Forbidden              the key's scopes do not cover this
    LimitReached           there are as many of them as there may be
    NoMachine              the session is of another kind, or its machine is not one to do that to
    Fenced                 another worker has the session by now, or nobody
"""

from __future__ import annotations

from typing import ClassVar

from eventstore.commit import Position
from projections.events.status import Status


class Rejection(Exception):
    """The command is refused; the log is as it was."""

    code: ClassVar[str] = "rejected"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail or (type(self).__doc__ or "")


class NotFound(Rejection):
    """There is no such thing."""

    code = "not_found"


class Deleted(Rejection):
    """The session was deleted."""

    code = "session_deleted"


class AlreadyExists(Rejection):
    """The id is taken."""

    code = "already_exists"


class TransitionNotAllowed(Rejection):
    """The status machine has no such step."""

    code = "transition_not_allowed"

    def __init__(self, was: Status, to: Status) -> None:
        super().__init__(f"A session cannot go from {was} to {to}.")
        self.was = was
        self.to = to


class AlreadyEnded(Rejection):
    """The session has ended."""

    code = "session_ended"

    def __init__(self, status: Status) -> None:
        super().__init__(f"The session has ended: it is {status}.")
        self.status = status


class NotConfigurable(Rejection):
    """The field can be changed only while the session is pending."""

    code = "not_configurable"


class InvalidValue(Rejection):
    """A value is out of range."""

    code = "invalid_value"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.message = detail


class RevisionMismatch(Rejection):
    """The session is not at the revision the caller named."""

    code = "revision_mismatch"

    def __init__(self, actual: Position) -> None:
        super().__init__(f"The session is at revision {actual}.")
        self.actual = actual


class IdempotencyKeyReused(Rejection):
    """The idempotency key was used before with another request."""

    code = "idempotency_key_reused"


class Forbidden(Rejection):
    """The key's scopes do not cover this."""

    code = "forbidden"


class LimitReached(Rejection):
    """There are as many of them as there may be; try again later."""

    code = "limit_reached"


class NoMachine(Rejection):
    """There is no machine that this can be done to."""

    code = "no_machine"


class Fenced(Rejection):
    """The session is no longer this worker's: another one has it by now, or nobody."""

    code = "fenced"
