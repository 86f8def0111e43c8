"""Shapes of the answers of `page/execute` (contract notte.md section 3.6): a failure is one too."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from sessions.dialects.instants import instant
from sessions.runtimes.browser.port import Done

RETRY_LATER: Final = frozenset({"NotteTimeoutError", "ActionExecutionError"})
UNKNOWN_ERROR: Final = "NotteBaseError"


class Data(msgspec.Struct, frozen=True):
    """What an action read."""

    markdown: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why an action failed; the client raises its class of the name `error_type`."""

    error_type: str
    dev_message: str
    user_message: str
    agent_message: str
    should_retry_later: bool
    should_notify_team: bool = False


class ExecutionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action; one that succeeded must not have an exception."""

    action: dict[str, Any]
    success: bool
    message: str
    started_at: datetime
    ended_at: datetime
    data: Any = None
    exception: str | None = None
    exception_detail: Problem | None = None


def result(told: dict[str, Any], done: Done, started_at: int, ended_at: int) -> ExecutionResult:
    """What came of the action `told`; the instants are microseconds."""
    problem = None if done.success else _problem(done)
    message = done.message or ("Done." if done.success else "The action failed.")
    return ExecutionResult(
        action=told,
        success=done.success,
        message=message,
        started_at=instant(started_at),
        ended_at=instant(max(started_at, ended_at)),
        data=None if done.text is None else Data(done.text),
        exception=None if problem is None else problem.dev_message,
        exception_detail=problem,
    )


def scraped(told: dict[str, Any], data: Any, started_at: int, ended_at: int) -> ExecutionResult:
    """What came of reading the page as an action."""
    return ExecutionResult(
        action=told,
        success=True,
        message="Scraped the current page",
        started_at=instant(started_at),
        ended_at=instant(max(started_at, ended_at)),
        data=data,
    )


def _problem(done: Done) -> Problem:
    message = done.message or "The action failed."
    return Problem(
        error_type=done.error_type or UNKNOWN_ERROR,
        dev_message=message,
        user_message=message,
        agent_message=message,
        should_retry_later=done.error_type in RETRY_LATER,
    )
