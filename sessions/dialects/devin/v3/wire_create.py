"""The body of a create in Devin's API v3 (contract devin.md, section 4)."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from sessions.dialects import fastapi
from sessions.dialects.devin import wire_create as v1
from sessions.dialects.devin.attached import line_of, unfit
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError

LINKED_MAX: Final = 100
ADVANCED: Final = ("analyze", "create", "improve", "batch", "manage")


class CreateSession(v1.Asked, frozen=True, kw_only=True):
    """The body of `POST /v3/organizations/{org_id}/sessions`."""

    advanced_mode: str | None = None
    devin_mode: str | None = None
    attachment_urls: tuple[str, ...] | None = None
    bypass_approval: bool | None = None
    child_playbook_id: str | None = None
    create_as_user_id: str | None = None
    repos: tuple[str, ...] | None = None
    session_links: tuple[str, ...] | None = None


def create_session(body: Any) -> CreateSession:
    """The body; raises Failure 422 that names every wrong field, and 409 for a secret twice.

    Attachments that it names besides its prompt get their lines in the prompt: that is how they
    reach who does the work.
    """
    asked = fastapi.checked(body, _CREATE, CreateSession)
    v1.check_secrets(asked)
    lines = map(line_of, asked.attachment_urls or ())
    there = frozenset(asked.prompt.splitlines())
    missing = [line for line in dict.fromkeys(lines) if line not in there]
    return replace(asked, prompt="\n".join((asked.prompt, *missing))) if missing else asked


def _address(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.string(value, path, wrong)
    if isinstance(value, str) and unfit(value):
        wrong.append(FieldError(path, "Input should be a valid URL", "url_parsing"))
    return value


_STRINGS: Final = fastapi.list_of(fastapi.string, LINKED_MAX)
_CREATE: Final = (
    *v1.FIELDS,
    Field("advanced_mode", fastapi.word(*ADVANCED)),
    Field("devin_mode", fastapi.string),
    Field("attachment_urls", fastapi.list_of(_address, LINKED_MAX)),
    Field("bypass_approval", fastapi.boolean),
    Field("child_playbook_id", fastapi.string),
    Field("create_as_user_id", fastapi.string),
    Field("repos", _STRINGS),
    Field("session_links", _STRINGS),
)
