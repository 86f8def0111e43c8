"""What sentences about facts have in common; pure."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from projections.wording import quoted


class Known(msgspec.Struct, frozen=True, gc=False):
    """What earlier events of a stream said that a later sentence refers to; UNSET is unknown."""

    idle_timeout_s: int | UnsetType | None = UNSET
    max_duration_s: int | UnsetType = UNSET
    memory_mb: int | UnsetType = UNSET


def why(reason: str, detail: str) -> str:
    """A reason, with what was said of it."""
    return f"{reason}, {quoted(detail)}" if detail else reason
