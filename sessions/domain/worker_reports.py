"""What a worker may tell of the session that it holds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from projections.events.work import PullRequest


class Started(msgspec.Struct, frozen=True):
    """The work has begun."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The agent said something; `id` names the message."""

    id: str
    content: str
    data: dict[str, Any] = {}


class Became(msgspec.Struct, frozen=True, kw_only=True):
    """The work goes on, or waits for a person."""

    status: Literal["running", "blocked"]
    detail: str = ""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """The structured output is this now."""

    structured_output: Any


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request exists, or stands otherwise than before."""

    pull_request: PullRequest


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """So many units of its budget were used in all, those of earlier attempts included."""

    acus: float


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """The work is over: how its program ended, 0 being success."""

    exit_code: int
    signal: int | None = None
    detail: str = ""


Report = Started | Said | Became | Output | Proposed | Used | Finished
