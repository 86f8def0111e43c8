"""What becomes of a command: facts, or a Rejection and nothing else; no facts means no change."""

from __future__ import annotations

from typing import Final, assert_never

import msgspec
from msgspec import UNSET

from eventstore.codec import Fact
from projections.events.artifact import ArtifactStored
from projections.events.session import (
    MessageAdded,
    SessionActive,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionExtended,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.status import ENDED, Reason
from projections.events.test_run import ChannelPosted, SessionResumedBy
from projections.folds.session import SECOND_US, Session, expiry, idle_deadline, max_deadline
from sessions.domain import checks
from sessions.domain.commands import (
    AddMessage,
    AnyCommand,
    ChangeStatus,
    Configure,
    CreateSession,
    Delete,
    Erase,
    Extend,
    FireClocks,
    PostToChannel,
    ResumeOther,
    StoreArtifact,
    Touch,
)
from sessions.domain.policy import (
    DURATION_S_MAX,
    INITIAL,
    MAX_DURATION_S,
    WAITING,
    allowed,
)
from sessions.domain.rejections import (
    AlreadyEnded,
    AlreadyExists,
    Deleted,
    InvalidValue,
    NotConfigurable,
    NotFound,
    TransitionNotAllowed,
)
from sessions.domain.reopening import reopened
from sessions.domain.work import check_terms

Facts = tuple[Fact, ...]

_encoder: Final = msgspec.json.Encoder(order="deterministic")


def decide(command: AnyCommand, state: Session | None, now: int) -> Facts:
    """What becomes of `command` at `now` (microseconds); raises Rejection."""
    if isinstance(command, CreateSession):
        if state is not None:
            raise AlreadyExists
        return _create(command, now)
    if state is None:
        raise NotFound
    if isinstance(command, Erase):
        return _erase(command, state)
    if state.deleted:
        if isinstance(command, Delete | FireClocks | Touch):
            return ()
        raise Deleted
    return _change(command, state, now)


def _change(
    command: Configure
    | ChangeStatus
    | Extend
    | Touch
    | FireClocks
    | AddMessage
    | PostToChannel
    | ResumeOther
    | StoreArtifact
    | Delete,
    state: Session,
    now: int,
) -> Facts:
    match command:
        case ChangeStatus():
            return _change_status(command, state, now)
        case Configure():
            return _configure(command, state)
        case Extend():
            return _extend(command, state, now)
        case AddMessage():
            return _add_message(command, state)
        case PostToChannel():
            return _post(command)
        case ResumeOther():
            return _resume_other(command, state)
        case StoreArtifact():
            return _store_artifact(command, state)
        case Touch():
            return _touch(command, state)
        case FireClocks():
            return _fire(state, now)
        case Delete():
            return _delete(command, state)
        case _:
            assert_never(command)


def _create(command: CreateSession, now: int) -> Facts:
    if command.status not in INITIAL:
        raise InvalidValue("status", f"a session does not begin {command.status}")
    longest = command.max_duration_s
    if longest is None:
        longest = _default_duration(command, now)
    checks.title(command.title)
    checks.labels(command.labels)
    checks.metadata(command.metadata)
    checks.clocks(command.idle_timeout_s, longest)
    if command.work is not None:
        check_terms(command.kind, command.work)
    created = SessionCreated(
        kind=command.kind,
        dialect=command.dialect,
        owner=command.owner,
        status=command.status,
        max_duration_s=longest,
        idle_timeout_s=command.idle_timeout_s,
        expires_at=command.expires_at,
        title=command.title,
        labels=tuple(dict.fromkeys(command.labels)),
        metadata=command.metadata,
        spec=command.spec,
        secrets=command.secrets,
        reason=command.reason,
        work=command.work,
    )
    return (created,)


def _default_duration(command: CreateSession, now: int) -> int:
    """The policy's for the kind, or as long as the other clocks of the session need."""
    usual = MAX_DURATION_S[command.kind]
    pending = 0 if command.expires_at is None else (command.expires_at - now) // SECOND_US
    return max(usual, command.idle_timeout_s or 0, min(pending + usual, DURATION_S_MAX))


def _configure(command: Configure, state: Session) -> Facts:
    title = UNSET if command.title == state.title else command.title
    metadata = command.metadata
    if metadata is not UNSET and _same(metadata, state.metadata):
        metadata = UNSET
    spec = command.spec
    if spec is not UNSET:
        if state.status != "pending":
            raise NotConfigurable("spec can be changed only while the session is pending.")
        if _same({**state.spec, **spec}, state.spec):
            spec = UNSET
    if title is not UNSET:
        checks.title(title)
    if metadata is not UNSET:
        checks.metadata(metadata)
    facts: Facts = ()
    if (title, metadata, spec) != (UNSET, UNSET, UNSET):
        facts = (SessionConfigured(title=title, metadata=metadata, spec=spec),)
    if command.labels is not UNSET:
        checks.labels(command.labels)
        labels = tuple(dict.fromkeys(command.labels))
        if labels != state.labels:
            facts += (SessionLabelled(labels=labels),)
    return facts


def _same(one: object, other: object) -> bool:
    # As JSON, because to Python 1 and True are equal.
    return _encoder.encode(one) == _encoder.encode(other)


def _change_status(command: ChangeStatus, state: Session, now: int) -> Facts:
    if command.to == state.status:
        return ()
    if state.ended:
        if (command.to, command.reason) != ("running", "reopened"):
            raise AlreadyEnded(state.status)
        checks.detail(command.detail)
        return reopened(state, now, command.detail)
    if command.only_from is not None and state.status not in command.only_from:
        raise TransitionNotAllowed(state.status, command.to)
    if not allowed(state.status, command.to):
        raise TransitionNotAllowed(state.status, command.to)
    checks.detail(command.detail)
    return (_moved(state, command),)


def _extend(command: Extend, state: Session, now: int) -> Facts:
    if state.ended:
        raise AlreadyEnded(state.status)
    idle = state.idle_timeout_s if command.idle_timeout_s is UNSET else command.idle_timeout_s
    longest = state.max_duration_s if command.max_duration_s is UNSET else command.max_duration_s
    if (idle, longest) == (state.idle_timeout_s, state.max_duration_s):
        return ()
    checks.clocks(idle, longest)
    if state.created_at + longest * SECOND_US <= now:
        raise InvalidValue("max_duration_s", "the session is older than that")
    idle_change, longest_change = command.idle_timeout_s, command.max_duration_s
    return (SessionExtended(idle_timeout_s=idle_change, max_duration_s=longest_change),)


def _add_message(command: AddMessage, state: Session) -> Facts:
    if state.ended:
        raise AlreadyEnded(state.status)
    checks.content(command.content)
    said = MessageAdded(
        id=command.id,
        role=command.role,
        content=command.content,
        type=command.type,
        data=command.data,
        sealed=command.sealed,
    )
    if command.role == "user" and state.status == "blocked" and state.held:
        # The worker that asked has its answer.
        return said, _moved(state, ChangeStatus(to="running"))
    return (said,)


def _post(command: PostToChannel) -> Facts:
    checks.channel_type(command.type)
    return (ChannelPosted(type=command.type, data=command.data),)


def _resume_other(command: ResumeOther, state: Session) -> Facts:
    if state.status not in WAITING:
        raise TransitionNotAllowed(state.status, "stopped")
    checks.token(command.token)
    return SessionResumedBy(token=command.token), *_delete(Delete(), state)


def _store_artifact(command: StoreArtifact, state: Session) -> Facts:
    if state.ended:
        raise AlreadyEnded(state.status)
    checks.artifact_name(command.name)
    checks.media_type(command.media_type)
    checks.artifacts(state.artifacts + 1, state.artifact_bytes + command.size)
    stored = ArtifactStored(
        name=command.name,
        sha256=command.sha256,
        size=command.size,
        media_type=command.media_type,
    )
    return (stored,)


def _touch(command: Touch, state: Session) -> Facts:
    if state.ended or command.at <= state.active_at:
        return ()
    return (SessionActive(at=command.at),)


def _fire(state: Session, now: int) -> Facts:
    if state.ended:
        return ()
    due: list[tuple[int, Reason]] = []
    for at, reason in _clocks(state):
        if at is not None and at <= now:
            due.append((at, reason))
    if not due:
        return ()
    reason = min(due)[1]
    ended = _moved(state, ChangeStatus(to="timed_out", reason=reason))
    return (ended, SessionDeleted(reason=reason)) if reason == "expired" else (ended,)


def _clocks(state: Session) -> tuple[tuple[int | None, Reason], ...]:
    return (
        (idle_deadline(state), "idle_timeout"),
        (max_deadline(state), "max_duration"),
        (expiry(state), "expired"),
    )


def _delete(command: Delete, state: Session) -> Facts:
    deleted = SessionDeleted(reason=command.reason)
    if state.ended:
        return (deleted,)
    return _moved(state, ChangeStatus(to="stopped", reason=command.reason)), deleted


def _erase(command: Erase, state: Session) -> Facts:
    if state.erased:
        return ()
    gone = () if state.deleted else _delete(Delete(), state)
    return *gone, SessionErased(reason=command.reason)


def _moved(state: Session, command: ChangeStatus) -> SessionStatusChanged:
    assert command.to in ENDED or allowed(state.status, command.to)
    return SessionStatusChanged(
        was=state.status, to=command.to, reason=command.reason, detail=command.detail
    )
