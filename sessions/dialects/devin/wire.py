"""Shapes of Devin's API v1 (contract devin.md, section 3): requests, answers, errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from projections.events.status import Status
from projections.folds.session import Session
from sessions.conversation import Said
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import devin_id, hex_of
from sessions.dialects.fastapi import JSON, Field, Path, Wrong
from sessions.dialects.instants import instant
from sessions.domain import commands, policy
from sessions.failure import Failure, FieldError, Reply

TAGS_MAX: Final = 50
SECRETS_MAX: Final = 200
SCHEMA_BYTES_MAX: Final = 64 << 10
TITLE_CHARS: Final = 80
UNTITLED: Final = "Untitled session"

StatusEnum = Literal[
    "working", "blocked", "expired", "finished", "suspend_requested", "resume_requested"
]

# The free text that old clients read, and the enum that pollers read.
STATUS: Final[dict[Status, tuple[str, StatusEnum | None]]] = {
    "pending": ("running", None),
    "queued": ("running", "working"),
    "starting": ("running", "working"),
    "running": ("running", "working"),
    "blocked": ("blocked", "blocked"),
    "pausing": ("running", "suspend_requested"),
    "paused": ("suspended", "suspend_requested"),
    "resuming": ("running", "resume_requested"),
    "stopping": ("running", "resume_requested"),
    "completed": ("exit", "finished"),
    "failed": ("exit", "expired"),
    "timed_out": ("exit", "expired"),
    "stopped": ("exit", "finished"),
    "lost": ("exit", "expired"),
}


class SessionSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret for one session; its value is never given back."""

    key: str
    value: str
    sensitive: bool | None = None


class CreateSession(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/sessions`.

    Null for `secret_ids` or `knowledge_ids` means all of them, an empty list none.
    """

    prompt: str
    snapshot_id: str | None = None
    unlisted: bool | None = None
    idempotent: bool | None = None
    max_acu_limit: int | None = None
    secret_ids: tuple[str, ...] | None = None
    knowledge_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    title: str | None = None
    playbook_id: str | None = None
    session_secrets: tuple[SessionSecret, ...] | None = None
    structured_output_schema: dict[str, Any] | None = None


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a create; `is_new_session` is in it only for an idempotent one."""

    session_id: str
    url: str
    is_new_session: bool | UnsetType = UNSET


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message; what an agent said has no sender."""

    type: Literal["initial_user_message", "user_message", "devin_message"]
    event_id: str
    message: str
    timestamp: str
    username: str | UnsetType = UNSET
    origin: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session with its conversation."""

    session_id: str
    url: str
    status: str
    status_enum: StatusEnum | None
    title: str
    created_at: str
    updated_at: str
    snapshot_id: str | None
    playbook_id: str | None
    tags: tuple[str, ...]
    pull_request: None
    structured_output: None
    messages: tuple[Message, ...]


def create_session(body: Any) -> CreateSession:
    """The body; raises Failure 400 that names every wrong field."""
    return fastapi.checked(body, _CREATE, CreateSession, status=400)


def secrets(body: CreateSession) -> dict[str, str]:
    """The values of its secrets by name; of two with one name the later one counts."""
    return {secret.key: secret.value for secret in body.session_secrets or ()}


def to_command(body: CreateSession, owner: str, sealed: dict[str, str]) -> commands.CreateSession:
    """The session that `body` makes; `sealed` are its secrets as they may stand in the log."""
    spec = {name: getattr(body, name) for name in _SPEC}
    spec["session_secrets"] = [
        {"key": secret.key, "sensitive": secret.sensitive is not False}
        for secret in body.session_secrets or ()
    ]
    return commands.CreateSession(
        kind="agent",
        dialect="devin",
        owner=owner,
        status="queued",
        title=body.title or title_of(body.prompt),
        labels=body.tags or (),
        spec=spec,
        secrets=sealed,
    )


def claim_name(owner: str, body: CreateSession) -> str:
    """What two idempotent creates must have in common to be one session."""
    same = msgspec.json.encode((owner, body.prompt, body.snapshot_id, body.playbook_id))
    return f"devin {hashlib.sha256(same).hexdigest()}"


def held(state: Session) -> bool:
    """True while an idempotent create finds this session instead of making another."""
    return not state.ended


def title_of(prompt: str) -> str:
    """A title from the beginning of a prompt; never empty."""
    title = " ".join(prompt.split())
    if len(title) > TITLE_CHARS:
        title = title[: TITLE_CHARS - 1].rstrip() + "…"
    return title or UNTITLED


def session_url(public_url: str, session_id: str) -> str:
    """Where the session can be looked at; the id in it goes without its prefix."""
    return f"{public_url.rstrip('/')}/devin/sessions/{hex_of(session_id)}"


def created(session_id: str, public_url: str, new: bool | UnsetType) -> Created:
    """The answer to a create."""
    return Created(
        session_id=devin_id(session_id),
        url=session_url(public_url, session_id),
        is_new_session=new,
    )


def session_view(state: Session, public_url: str, messages: tuple[Message, ...]) -> SessionView:
    """The session as Devin shows it; its secrets stay behind."""
    status, status_enum = STATUS[state.status]
    return SessionView(
        session_id=devin_id(state.id),
        url=session_url(public_url, state.id),
        status=status,
        status_enum=status_enum,
        title=state.title or title_of(_text(state, "prompt") or ""),
        created_at=_time(state.created_at),
        updated_at=_time(state.updated_at),
        snapshot_id=_text(state, "snapshot_id"),
        playbook_id=_text(state, "playbook_id"),
        tags=state.labels,
        pull_request=None,
        structured_output=None,
        messages=messages,
    )


def initial_message(state: Session) -> tuple[Message, ...]:
    """The prompt as the first message; none for a session that was made without one."""
    prompt = _text(state, "prompt")
    if prompt is None:
        return ()
    first = Message(
        type="initial_user_message",
        event_id=f"event-{hex_of(state.id)}",
        message=prompt,
        timestamp=_time(state.created_at),
        username=state.owner,
        origin="api",
        user_id=state.owner,
    )
    return (first,)


def later_message(said: Said) -> Message:
    """A message that was opened; one that was erased is empty."""
    fact, commit = said.fact, said.commit
    by_user = fact.role == "user"
    return Message(
        type="user_message" if by_user else "devin_message",
        event_id=fact.id,
        message=fact.content,
        timestamp=_time(commit.at),
        username=commit.actor if by_user else UNSET,
        origin="api" if by_user else UNSET,
        user_id=commit.actor if by_user else UNSET,
    )


def encode_failure(failure: Failure) -> Reply:
    """A refusal as `detail` in one string; what was deleted is unknown here (section 2)."""
    status = {410: 404, 422: 400}.get(failure.status, failure.status)
    return Reply(status, msgspec.json.encode({"detail": failure.detail}), JSON)


def _prompt(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.string(value, path, wrong)
    if isinstance(value, str) and not value.strip():
        wrong.append(FieldError(path, "there is nothing to do in it", "string_too_short"))
    return value


def _schema(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.mapping(value, path, wrong)
    if isinstance(value, dict):
        if len(msgspec.json.encode(value)) > SCHEMA_BYTES_MAX:
            wrong.append(FieldError(path, f"at most {SCHEMA_BYTES_MAX} bytes", "too_long"))
        if any(not ref.startswith("#") for ref in _references(value)):
            wrong.append(FieldError(path, "a $ref must stay within the schema", "value_error"))
    return value


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield ref
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _text(state: Session, name: str) -> str | None:
    # The native API takes any spec.
    value = state.spec.get(name)
    return value if isinstance(value, str) else None


def _time(at_us: int) -> str:
    return instant(at_us).isoformat(timespec="microseconds")


_SECRET: Final = (
    Field("key", fastapi.text(1), required=True, nullable=False),
    Field("value", fastapi.string, required=True, nullable=False),
    Field("sensitive", fastapi.boolean),
)
_CREATE: Final = (
    Field("prompt", _prompt, required=True, nullable=False),
    Field("snapshot_id", fastapi.string),
    Field("unlisted", fastapi.boolean),
    Field("idempotent", fastapi.boolean),
    Field("max_acu_limit", fastapi.integer(1)),
    Field("secret_ids", fastapi.list_of(fastapi.string)),
    Field("knowledge_ids", fastapi.list_of(fastapi.string)),
    Field("tags", fastapi.list_of(fastapi.text(1, policy.LABEL_CHARS_MAX), TAGS_MAX)),
    Field("title", fastapi.text(0, policy.TITLE_CHARS_MAX)),
    Field("playbook_id", fastapi.string),
    Field("session_secrets", fastapi.list_of(fastapi.object_of(_SECRET), SECRETS_MAX)),
    Field("structured_output_schema", _schema),
)
_SPEC: Final = (
    "prompt",
    "snapshot_id",
    "unlisted",
    "idempotent",
    "max_acu_limit",
    "secret_ids",
    "knowledge_ids",
    "playbook_id",
    "structured_output_schema",
)
