"""What the service tells a worker; fields that come later are no trouble."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_SECRETS: Final = "secrets"


class Message(msgspec.Struct, frozen=True):
    """What a user said."""

    content: str
    position: int = 0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is this worker's until its lease is over."""

    session_id: str
    generation: int
    lease_s: float
    attempt: int = 1
    prompt: str = ""
    secrets: dict[str, str] = {}
    messages: list[Message] = []
    after: int = 0
    whole: dict[str, Any] = {}
    """All that the service told, but for the secrets."""


def claim_of(told: dict[str, Any]) -> Claim:
    """The claim as the service told it; raises msgspec.ValidationError."""
    whole = {name: value for name, value in told.items() if name != _SECRETS}
    return msgspec.convert({**told, "whole": whole}, Claim)


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a poll: what was said since, and whether the session has ended."""

    lease_s: float
    after: int
    messages: list[Message] = []
    ended: dict[str, Any] | None = None


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to reports."""

    status: str
    lease_s: float
