"""What Devin's API v1 is asked of a session that is there (contract devin.md, section 3)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from multidict import MultiMapping

from sessions.dialects import fastapi
from sessions.dialects.devin.wire import TAGS_MAX
from sessions.dialects.fastapi import Field
from sessions.dialects.queries import integer
from sessions.domain import policy
from sessions.failure import FieldError

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000
OFFSET_MAX: Final = 10**9


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions are wanted; `tags` are alternatives, nothing means any."""

    limit: int
    offset: int
    tags: tuple[str, ...]
    user_email: str | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a message."""

    message: str


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a change of tags."""

    tags: tuple[str, ...]


def page(query: MultiMapping[str]) -> Page:
    """Which part of the list is wanted; raises Failure."""
    tags = tuple(dict.fromkeys(tag for tag in query.getall("tags", []) if tag))
    if len(tags) > TAGS_MAX:
        message = f"at most {TAGS_MAX} tags, not {len(tags)}"
        raise fastapi.refusal([FieldError(("query", "tags"), message, "too_long")], 400)
    # `skip` is the newer name of `offset`.
    name = "skip" if "skip" in query else "offset"
    return Page(
        limit=integer(query, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX),
        offset=integer(query, name, 0, 0, OFFSET_MAX),
        tags=tags,
        user_email=query.get("user_email"),
    )


def message(body: Any) -> str:
    """What is to be said; raises Failure 400."""
    return fastapi.checked(body, MESSAGE, Message, status=400).message


def tags(body: Any) -> tuple[str, ...]:
    """The tags that a session is to have; raises Failure 400."""
    return fastapi.checked(body, TAGS, Tags, status=400).tags


_TAG: Final = fastapi.text(1, policy.LABEL_CHARS_MAX)
MESSAGE: Final = (
    Field("message", fastapi.text(1, policy.CONTENT_CHARS_MAX), required=True, nullable=False),
)
TAGS: Final = (Field("tags", fastapi.list_of(_TAG, TAGS_MAX), required=True, nullable=False),)
