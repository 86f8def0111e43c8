"""Shapes of an account's secrets in Devin's API v1 (contract devin.md, section 3)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from projections.folds.catalog import Entry
from sessions.dialects import fastapi
from sessions.dialects.devin.ids import SECRET, public_id
from sessions.dialects.devin.wire import time_text
from sessions.dialects.fastapi import Field
from sessions.domain import policy

NOTE_CHARS_MAX: Final = 4_000
SEALED: Final = "sealed"
AUTHOR: Final = "author"
TYPES: Final = ("cookie", "key-value", "totp")
NOT_UNIQUE: Final = "Secret name is not unique"


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret to keep."""

    type: str
    key: str
    value: str
    sensitive: bool
    note: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a create."""

    id: str


class SecretView(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, but not what it says."""

    id: str
    type: str
    key: str
    sensitive: bool
    note: str
    created_at: str


def new_secret(body: Any) -> NewSecret:
    """The body; raises Failure 400 that names every wrong field."""
    return fastapi.checked(body, _NEW, NewSecret, status=400)


def data_of(secret: NewSecret, sealed: str, author: str) -> dict[str, Any]:
    """What the catalog holds of it; `sealed` is its value as it may stand in the log."""
    return {
        "type": secret.type,
        "key": secret.key,
        "sensitive": secret.sensitive,
        "note": secret.note,
        SEALED: sealed,
        AUTHOR: author,
    }


def made(entry: Entry) -> Made:
    """The answer to the create of this secret."""
    return Made(id=public_id(SECRET, entry.id))


def secret_view(entry: Entry) -> SecretView:
    """The secret without its value."""
    data = entry.data
    return SecretView(
        id=public_id(SECRET, entry.id),
        type=data["type"],
        key=data["key"],
        sensitive=data["sensitive"],
        note=data["note"],
        created_at=time_text(entry.created_at),
    )


def _needed(name: str, check: fastapi.Check) -> Field:
    return Field(name, check, required=True, nullable=False)


_NEW: Final = (
    _needed("type", fastapi.word(*TYPES)),
    _needed("key", fastapi.text(1, policy.SECRET_NAME_CHARS_MAX)),
    _needed("value", fastapi.text(0, policy.SECRET_CHARS_MAX)),
    _needed("sensitive", fastapi.boolean),
    _needed("note", fastapi.text(0, NOTE_CHARS_MAX)),
)
