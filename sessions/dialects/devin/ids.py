"""Ids as Devin writes them, there and back; pure."""

from __future__ import annotations

import re
from typing import Final

from sessions.dialects.uuids import dashed

PREFIX: Final = "devin-"
NOTE: Final = "note-"
PLAYBOOK: Final = "playbook-"
SECRET: Final = "secret-"
ORGANISATION: Final = "org-"
_HEX: Final = re.compile(r"[0-9a-f]{32}")


def hex_of(uuid: str) -> str:
    """The 32 digits of a UUID."""
    return uuid.replace("-", "")


def public_id(prefix: str, uuid: str) -> str:
    """The prefix and the 32 digits of a UUID."""
    return prefix + hex_of(uuid)


def uuid_of(prefix: str, text: str) -> str | None:
    """The UUID behind an id with or without its prefix, None if it is no such id."""
    digits = text.removeprefix(prefix)
    return dashed(digits) if _HEX.fullmatch(digits) else None


def devin_id(session_id: str) -> str:
    """`devin-` and the 32 digits: the form that clients insist on (contract section 3)."""
    return public_id(PREFIX, session_id)


def native_id(text: str) -> str | None:
    """The UUID behind a session's id with or without `devin-`, None if it is no such id."""
    return uuid_of(PREFIX, text)
