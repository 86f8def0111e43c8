"""What a worker is told to do."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Stdin = Literal["prompt", "chat", "claim"]

SLOTS_MAX: Final = 256


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions are claimed, and what is run for each of them."""

    command: list[str]
    kind: str
    name: str
    labels: list[str] = []
    slots: int = 1
    drain_s: float = 30.0
    grace_s: float = 5.0
    stdin: Stdin = "prompt"
    count: int | None = None
    """Stop after so many sessions."""
