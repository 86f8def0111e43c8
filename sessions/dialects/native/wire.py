"""Shapes of the native API: what is accepted, what is answered, and how errors look (RFC 9457)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from eventstore.commit import Commit
from projections.events import CODEC
from projections.events.access import Scope
from projections.events.status import Dialect, Kind, Reason, Status
from projections.events.work import OnLoss, PullRequest, WorkTerms
from projections.folds.access import Key
from projections.folds.session import Session, expiry, idle_deadline, max_deadline
from sessions.conversation import Said
from sessions.dialects.instants import instant
from sessions.failure import Failure, Reply

PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body that a client sends; a field it does not name is refused."""


class NewWork(Request, frozen=True, kw_only=True):
    """The terms on which workers may have a session."""

    requires: tuple[str, ...] = ()
    on_loss: OnLoss = "requeue"
    attempts_max: int = 3

    def terms(self) -> WorkTerms:
        """The terms as the vocabulary has them."""
        return WorkTerms(
            requires=tuple(dict.fromkeys(self.requires)),
            on_loss=self.on_loss,
            attempts_max=self.attempts_max,
        )


class CreateSession(Request, frozen=True, kw_only=True):
    """A session to make."""

    kind: Kind
    status: Literal["pending", "queued", "running"] = "pending"
    title: str = ""
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    idle_timeout_s: int | None = None
    max_duration_s: int | None = None
    work: NewWork | None = None


class PatchSession(Request, frozen=True, kw_only=True):
    """The fields to replace; `spec` is merged key by key while the session is pending."""

    title: str | UnsetType = UNSET
    labels: tuple[str, ...] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    spec: dict[str, Any] | UnsetType = UNSET


class Transition(Request, frozen=True, kw_only=True):
    """Where the session is to go, and why."""

    to: Status
    reason: Reason = "requested"
    detail: str = ""


class Extend(Request, frozen=True, kw_only=True):
    """New lengths of the clocks, in seconds; an idle time-out of null switches that clock off."""

    idle_timeout_s: int | UnsetType | None = UNSET
    max_duration_s: int | UnsetType = UNSET


class NewMessage(Request, frozen=True, kw_only=True):
    """Something to say in the session; of what is `sensitive` the log holds no word in clear."""

    content: str
    role: Literal["user", "agent", "system"] = "user"
    data: dict[str, Any] = {}
    sensitive: bool = False


class NewKey(Request, frozen=True, kw_only=True):
    """A key to issue."""

    name: str
    tenant: str | None = None
    scopes: tuple[Scope, ...] = ("sessions:read", "sessions:write")
    prefix: str = "sdk_"


class WorkView(msgspec.Struct, frozen=True, kw_only=True):
    """On which terms workers may have a session, and who has it."""

    requires: tuple[str, ...]
    on_loss: OnLoss
    attempts_max: int
    attempts: int
    generation: int
    worker: str | None
    claimed_at: datetime | None


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent has to show so far."""

    structured_output: Any
    pull_requests: tuple[PullRequest, ...]
    acus: float


class SessionView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session. `position` is its revision: send it back in `If-Match`."""

    id: str
    kind: Kind
    dialect: Dialect
    tenant: str
    owner: str
    title: str
    status: Status
    reason: Reason
    detail: str
    actor: str
    labels: tuple[str, ...]
    metadata: dict[str, Any]
    spec: dict[str, Any]
    secrets: dict[str, Literal["sealed", "erased"]]
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    idle_timeout_s: int | None
    max_duration_s: int
    idle_deadline: datetime | None
    max_deadline: datetime | None
    expires_at: datetime | None
    messages: int
    artifacts: int
    tests_total: int
    tests_running: int
    tests_completed: int
    work: WorkView | None
    agent: AgentView | None
    position: int
    status_position: int


class SessionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page, newest first; `next` is the cursor of the page after it, null on the last."""

    items: list[SessionView]
    next: str | None
    position: int


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of a commit, in today's shape."""

    type: str
    data: Any


class CommitView(msgspec.Struct, frozen=True, kw_only=True):
    """One commit of a session's history."""

    position: int
    previous: int
    at: datetime
    actor: str
    correlation_id: str
    events: list[EventView]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a history, oldest first; `next` is the `after` of the next one, null at the end."""

    items: list[CommitView]
    next: int | None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a session; an `erased` one has neither `content` nor `data` any more."""

    id: str
    role: str
    content: str
    type: str
    data: dict[str, Any]
    sensitive: bool
    erased: bool
    actor: str
    at: datetime
    position: int


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, oldest first."""

    items: list[MessageView]
    next: int | None


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key, without its secret."""

    id: str
    name: str
    tenant: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None


class IssuedKey(KeyView, frozen=True, kw_only=True):
    """A key with its secret, shown this once."""

    key: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All keys, oldest first."""

    items: list[KeyView]


class ProblemField(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong field, with a JSON pointer to it (RFC 6901)."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal (RFC 9457); `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[ProblemField] = []


def _instant_or_none(at_us: int | None) -> datetime | None:
    return None if at_us is None else instant(at_us)


def session_view(state: Session) -> SessionView:
    """The session as the native API shows it."""
    return SessionView(
        id=state.id,
        kind=state.kind,
        dialect=state.dialect,
        tenant=state.tenant,
        owner=state.owner,
        title=state.title,
        status=state.status,
        reason=state.reason,
        detail=state.detail,
        actor=state.actor,
        labels=state.labels,
        metadata=state.metadata,
        spec=state.spec,
        secrets=dict.fromkeys(state.secrets, "erased" if state.erased else "sealed"),
        created_at=instant(state.created_at),
        updated_at=instant(state.updated_at),
        started_at=_instant_or_none(state.started_at),
        ended_at=_instant_or_none(state.ended_at),
        idle_timeout_s=state.idle_timeout_s,
        max_duration_s=state.max_duration_s,
        idle_deadline=_instant_or_none(idle_deadline(state)),
        max_deadline=_instant_or_none(max_deadline(state)),
        expires_at=_instant_or_none(expiry(state)),
        messages=state.messages,
        artifacts=state.artifacts,
        tests_total=state.tests_total,
        tests_running=state.tests_running,
        tests_completed=state.tests_completed,
        work=_work_view(state),
        agent=_agent_view(state),
        position=state.position,
        status_position=state.status_position,
    )


def _work_view(state: Session) -> WorkView | None:
    work = state.work
    if work is None:
        return None
    return WorkView(
        requires=work.requires,
        on_loss=work.on_loss,
        attempts_max=work.attempts_max,
        attempts=work.attempts,
        generation=work.generation,
        worker=work.worker or None,
        claimed_at=_instant_or_none(work.claimed_at),
    )


def _agent_view(state: Session) -> AgentView | None:
    agent = state.agent
    if agent is None:
        return None
    return AgentView(
        structured_output=agent.structured_output,
        pull_requests=agent.pull_requests,
        acus=agent.acus,
    )


def commit_view(commit: Commit) -> CommitView:
    """A commit with its events in today's shape."""
    return CommitView(
        position=commit.position,
        previous=commit.previous,
        at=instant(commit.at),
        actor=commit.actor,
        correlation_id=commit.correlation_id,
        events=[
            EventView(type=event.type, data=msgspec.to_builtins(CODEC.decode(event)))
            for event in commit.events
        ],
    )


def message_view(said: Said) -> MessageView:
    """A message that was opened."""
    fact, commit = said.fact, said.commit
    return MessageView(
        id=fact.id,
        role=fact.role,
        content=fact.content,
        type=fact.type,
        data=fact.data,
        sensitive=said.sensitive,
        erased=said.erased,
        actor=commit.actor,
        at=instant(commit.at),
        position=commit.position,
    )


def key_view(key: Key) -> KeyView:
    """A key as the native API shows it."""
    return KeyView(
        id=key.id,
        name=key.name,
        tenant=key.tenant,
        prefix=key.prefix,
        scopes=key.scopes,
        created_at=instant(key.created_at),
        revoked_at=_instant_or_none(key.revoked_at),
    )


def problem(failure: Failure) -> Reply:
    """A refusal in the words of RFC 9457."""
    fields = [
        ProblemField(pointer="/" + "/".join(map(_pointer, f.path[1:])), detail=f.message)
        for f in failure.fields
    ]
    body = Problem(
        type=f"urn:sessiond:problem:{failure.code}",
        title=failure.code.replace("_", " ").capitalize(),
        status=failure.status,
        code=failure.code,
        detail=failure.detail,
        errors=fields,
    )
    return Reply(failure.status, msgspec.json.encode(body), {"Content-Type": PROBLEM})


def _pointer(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
