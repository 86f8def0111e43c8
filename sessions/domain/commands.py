"""What can be asked of a session, in the imperative; ids and instants come with the command."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from projections.events.status import Dialect, Kind, Reason, Status
from projections.events.work import WorkTerms


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something asked of one session."""


class CreateSession(Command, frozen=True, kw_only=True, gc=False):
    """Make a session; `max_duration_s` None means the policy's for its kind.

    `secrets` are sealed already. With `work` workers may claim it.
    """

    kind: Kind
    dialect: Dialect
    owner: str
    status: Status = "pending"
    reason: Reason = "requested"
    title: str = ""
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    idle_timeout_s: int | None = None
    max_duration_s: int | None = None
    expires_at: int | None = None
    work: WorkTerms | None = None


class Configure(Command, frozen=True, kw_only=True, gc=False):
    """Replace the given fields; `spec` is merged key by key and only while pending."""

    title: str | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    spec: dict[str, Any] | UnsetType = UNSET


class ChangeStatus(Command, frozen=True, kw_only=True, gc=False):
    """Move the session on; where `only_from` is given, from one of these statuses alone."""

    to: Status
    reason: Reason = "requested"
    detail: str = ""
    only_from: frozenset[Status] | None = None


class Extend(Command, frozen=True, kw_only=True, gc=False):
    """Give the clocks a new length; an `idle_timeout_s` of None switches the idle clock off."""

    idle_timeout_s: int | UnsetType | None = UNSET
    max_duration_s: int | UnsetType = UNSET


class Touch(Command, frozen=True, kw_only=True, gc=False):
    """Note that the session was used at `at`."""

    at: int


class FireClocks(Command, frozen=True, kw_only=True, gc=False):
    """End the session if one of its deadlines has passed."""


class AddMessage(Command, frozen=True, kw_only=True, gc=False):
    """Say something in the session; of something sensitive only `sealed` is given."""

    id: str
    role: Literal["user", "agent", "system"]
    content: str
    type: str = ""
    data: dict[str, Any] = {}
    sealed: str = ""


class PostToChannel(Command, frozen=True, kw_only=True, gc=False):
    """Tell something to all who listen to the session."""

    type: str
    data: Any


class ResumeOther(Command, frozen=True, kw_only=True, gc=False):
    """Send the device of a waiting session to the session `token`, and remove this one."""

    token: str | None


class StoreArtifact(Command, frozen=True, kw_only=True, gc=False):
    """Note that the session has a file, whose bytes are durable already."""

    name: str
    sha256: str
    size: int
    media_type: str


class Delete(Command, frozen=True, kw_only=True, gc=False):
    """Take the session out of lists and reads; one that runs is stopped first."""

    reason: Reason = "deleted"


class Erase(Command, frozen=True, kw_only=True, gc=False):
    """Note that the session's key is destroyed; a session that is not deleted is deleted first."""

    reason: Reason = "requested"


AnyCommand = (
    CreateSession
    | Configure
    | ChangeStatus
    | Extend
    | Touch
    | FireClocks
    | AddMessage
    | PostToChannel
    | ResumeOther
    | StoreArtifact
    | Delete
    | Erase
)
