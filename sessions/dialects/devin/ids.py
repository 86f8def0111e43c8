"""Session ids as Devin writes them, there and back; pure."""

from __future__ import annotations

import re
from typing import Final

PREFIX: Final = "devin-"
_HEX: Final = re.compile(r"[0-9a-f]{32}")
_CUTS: Final = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def hex_of(session_id: str) -> str:
    """The 32 digits of a UUID."""
    return session_id.replace("-", "")


def devin_id(session_id: str) -> str:
    """`devin-` and the 32 digits: the form that clients insist on (contract section 3)."""
    return PREFIX + hex_of(session_id)


def native_id(text: str) -> str | None:
    """The UUID behind an id with or without `devin-`, None if it is no such id."""
    digits = text.removeprefix(PREFIX)
    if not _HEX.fullmatch(digits):
        return None
    return "-".join(digits[start:end] for start, end in _CUTS)
