"""Facts about a session and its conversation; stream `session/<id>`.

Durations are seconds, instants microseconds since the epoch. A fact carries no actor, tenant or
time of its own: the commit does.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import UNSET, UnsetType

from eventstore.codec import Fact
from projections.events.status import Dialect, Kind, Reason, Status
from projections.events.work import WorkTerms


class SessionCreated(Fact, frozen=True, kw_only=True):
    """A session exists. `spec` is what its dialect was asked for, in the dialect's own words.

    `secrets` are sealed texts by name, and are nowhere else (version 1 had them in `spec`). With
    `work` workers may claim it from now on; a session of an agent is offered in any case.
    """

    NAME: ClassVar = "session.created"

    kind: Kind
    dialect: Dialect
    owner: str
    status: Status
    max_duration_s: int
    idle_timeout_s: int | None = None
    expires_at: int | None = None
    title: str = ""
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    reason: Reason = "requested"
    work: WorkTerms | None = None


class SessionConfigured(Fact, frozen=True, kw_only=True):
    """The given fields replace what they were; `spec` is merged key by key."""

    NAME: ClassVar = "session.configured"

    title: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    spec: dict[str, Any] | UnsetType = UNSET


class SessionLabelled(Fact, frozen=True, kw_only=True):
    """These are now all the labels."""

    NAME: ClassVar = "session.labelled"

    labels: tuple[str, ...] = ()


class SessionStatusChanged(Fact, frozen=True, kw_only=True):
    """The session moved on, and why."""

    NAME: ClassVar = "session.status_changed"

    was: Status
    to: Status
    reason: Reason
    detail: str = ""


class SessionActive(Fact, frozen=True, kw_only=True):
    """The session was used; many uses are told as one, `at` the last of them."""

    NAME: ClassVar = "session.active"

    at: int


class SessionExtended(Fact, frozen=True, kw_only=True):
    """The given clocks have a new length."""

    NAME: ClassVar = "session.extended"

    idle_timeout_s: int | UnsetType | None = UNSET
    max_duration_s: int | UnsetType = UNSET


class SessionDeleted(Fact, frozen=True, kw_only=True):
    """The session is gone from lists and reads; its history stays."""

    NAME: ClassVar = "session.deleted"

    reason: Reason


class SessionErased(Fact, frozen=True, kw_only=True):
    """The key of the session is destroyed: what was sealed with it cannot be read any more."""

    NAME: ClassVar = "session.erased"

    reason: Reason = "requested"


class MessageAdded(Fact, frozen=True, kw_only=True):
    """Someone said something in the session.

    Of a sensitive message `content` and `data` are empty; `sealed` holds both.
    """

    NAME: ClassVar = "message.added"

    id: str
    role: Literal["user", "agent", "system"]
    content: str
    type: str = ""
    data: dict[str, Any] = {}
    sealed: str = ""
