"""The body of a create in Devin's API v1, and what v3 shares of it (contract devin.md, 3)."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from projections.folds.session import Session
from sessions.dialects import fastapi
from sessions.dialects.devin.wire import TAGS_MAX, title_of
from sessions.dialects.devin.wire_secrets import NOT_UNIQUE
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.domain import commands, policy
from sessions.domain.archiving import is_archived
from sessions.domain.output_schema import check_schema
from sessions.domain.rejections import InvalidValue
from sessions.failure import Failure, FieldError

SECRETS_MAX: Final = 200


class SessionSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret for one session; its value is never given back."""

    key: str
    value: str
    sensitive: bool | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What both generations are asked for.

    Null for `secret_ids` or `knowledge_ids` means all of them, an empty list none.
    """

    prompt: str
    max_acu_limit: int | None = None
    secret_ids: tuple[str, ...] | None = None
    knowledge_ids: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    title: str | None = None
    playbook_id: str | None = None
    session_secrets: tuple[SessionSecret, ...] | None = None
    structured_output_schema: dict[str, Any] | None = None


class CreateSession(Asked, frozen=True, kw_only=True):
    """The body of `POST /v1/sessions`."""

    snapshot_id: str | None = None
    unlisted: bool | None = None
    idempotent: bool | None = None


def create_session(body: Any) -> CreateSession:
    """The body; raises Failure 400 that names every wrong field, and 409 for a secret twice."""
    asked = fastapi.checked(body, _CREATE, CreateSession, status=400)
    check_secrets(asked)
    return asked


def check_secrets(body: Asked) -> None:
    """Raises Failure 409 for a secret that comes twice."""
    if len(secrets(body)) < len(body.session_secrets or ()):
        raise Failure(409, "name_taken", NOT_UNIQUE)


def secrets(body: Asked) -> dict[str, str]:
    """The values of its secrets by name."""
    return {secret.key: secret.value for secret in body.session_secrets or ()}


def to_command(body: Asked, owner: str, sealed: dict[str, str]) -> commands.CreateSession:
    """The session that `body` makes; `sealed` are its secrets as they may stand in the log."""
    given = msgspec.structs.asdict(body)
    spec = {name: value for name, value in given.items() if name not in _NOT_IN_SPEC}
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
    return not state.ended and not is_archived(state)


def _prompt(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.string(value, path, wrong)
    if isinstance(value, str) and not value.strip():
        wrong.append(FieldError(path, "there is nothing to do in it", "string_too_short"))
    return value


def _schema(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.mapping(value, path, wrong)
    if isinstance(value, dict):
        try:
            check_schema(value)
        except InvalidValue as error:
            wrong.append(FieldError(path, error.message))
    return value


_SECRET: Final = (
    Field("key", fastapi.text(1), required=True, nullable=False),
    Field("value", fastapi.string, required=True, nullable=False),
    Field("sensitive", fastapi.boolean),
)
FIELDS: Final = (
    Field("prompt", _prompt, required=True, nullable=False),
    Field("max_acu_limit", fastapi.integer(1)),
    Field("secret_ids", fastapi.list_of(fastapi.string)),
    Field("knowledge_ids", fastapi.list_of(fastapi.string)),
    Field("tags", fastapi.list_of(fastapi.text(1, policy.LABEL_CHARS_MAX), TAGS_MAX)),
    Field("title", fastapi.text(0, policy.TITLE_CHARS_MAX)),
    Field("playbook_id", fastapi.string),
    Field("session_secrets", fastapi.list_of(fastapi.object_of(_SECRET), SECRETS_MAX)),
    Field("structured_output_schema", _schema),
)
_CREATE: Final = (
    *FIELDS,
    Field("snapshot_id", fastapi.string),
    Field("unlisted", fastapi.boolean),
    Field("idempotent", fastapi.boolean),
)
# These have places of their own in a session.
_NOT_IN_SPEC: Final = frozenset({"tags", "title", "session_secrets"})
