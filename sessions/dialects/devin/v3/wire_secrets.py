"""Shapes of an organisation's secrets in Devin's API v3 (contract section 4)."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from projections.folds.catalog import Entry
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import SECRET, public_id
from sessions.dialects.devin.v3.wire import seconds
from sessions.dialects.devin.wire_secrets import AUTHOR, NOTE_CHARS_MAX, TYPES, NewSecret
from sessions.dialects.fastapi import Field
from sessions.domain import policy


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A secret to keep."""

    type: str
    key: str
    value: str
    is_sensitive: bool | None = None
    note: str | None = None


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, but not what it says."""

    secret_id: str
    secret_type: str
    key: str
    note: str | None
    is_sensitive: bool
    access_type: Literal["org", "personal"] = "org"
    created_at: int
    created_by: str
    updated_at: int | None = None
    updated_by: str | None = None


def new_secret(body: Any) -> NewSecret:
    """The body; raises Failure 422 that names every wrong field. Unsaid, a secret is sensitive."""
    asked = fastapi.checked(body, _NEW, Asked)
    return NewSecret(
        type=asked.type,
        key=asked.key,
        value=asked.value,
        sensitive=asked.is_sensitive is not False,
        note=asked.note or "",
    )


def secret_view(entry: Entry) -> SecretView:
    """The secret without its value; it is never changed."""
    data = entry.data
    return SecretView(
        secret_id=public_id(SECRET, entry.id),
        secret_type=data["type"],
        key=data["key"],
        note=data["note"] or None,
        is_sensitive=data["sensitive"],
        created_at=seconds(entry.created_at),
        created_by=data[AUTHOR],
    )


_NEW: Final = (
    Field("type", fastapi.word(*TYPES), required=True, nullable=False),
    Field("key", fastapi.text(1, policy.SECRET_NAME_CHARS_MAX), required=True, nullable=False),
    Field("value", fastapi.text(0, policy.SECRET_CHARS_MAX), required=True, nullable=False),
    Field("is_sensitive", fastapi.boolean),
    Field("note", fastapi.text(0, NOTE_CHARS_MAX)),
)
