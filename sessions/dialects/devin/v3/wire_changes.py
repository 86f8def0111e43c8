"""What Devin's API v3 is asked of a session that is there (contract devin.md, section 4)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.devin import wire_changes as v1
from sessions.dialects.devin.wire import TAGS_MAX
from sessions.dialects.fastapi import Field
from sessions.failure import FieldError


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a message."""

    message: str
    message_as_user_id: str | None = None


def message(body: Any) -> NewMessage:
    """What is to be said; raises Failure 422."""
    return fastapi.checked(body, _MESSAGE, NewMessage)


def tags(body: Any) -> tuple[str, ...]:
    """The tags of the body; raises Failure 422."""
    return fastapi.checked(body, v1.TAGS, v1.Tags).tags


def appended(tags: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """The tags with the new ones at their end, each once; raises Failure 422 for too many."""
    together = tuple(dict.fromkeys((*tags, *new)))
    if len(together) > TAGS_MAX:
        message = f"A session has at most {TAGS_MAX} tags, not {len(together)}"
        raise fastapi.refusal([FieldError(("body", "tags"), message, "too_long")])
    return together


_MESSAGE: Final = (*v1.MESSAGE, Field("message_as_user_id", fastapi.text(0, 256)))
