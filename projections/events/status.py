"""The words of the one status machine that all kinds of sessions share (design section 4)."""

from __future__ import annotations

from typing import Final, Literal, get_args

Kind = Literal["test_run", "browser", "evaluation", "agent", "vm"]
Dialect = Literal["native", "wave", "notte", "galtea", "devin", "instavm"]

Status = Literal[
    "pending",
    "queued",
    "starting",
    "running",
    "blocked",
    "pausing",
    "paused",
    "resuming",
    "stopping",
    "completed",
    "failed",
    "timed_out",
    "stopped",
    "lost",
]

Reason = Literal[
    "requested",
    "finished",
    "goal_achieved",
    "idle_timeout",
    "max_duration",
    "expired",
    "limit_reached",
    "client_error",
    "runtime_failed",
    "runtime_lost",
    "runtime_unavailable",
    "capacity",
    "service_restart",
    "deleted",
    "reopened",
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
ENDED: Final[frozenset[Status]] = frozenset({"completed", "failed", "timed_out", "stopped", "lost"})
