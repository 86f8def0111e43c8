"""Shapes of Notte's API (contract notte.md): requests, answers, errors."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from projections.events.status import Reason, Status
from projections.folds.browser import Visit
from projections.folds.session import SECOND_US, Session
from sessions.dialects.fastapi import JSON, Detail
from sessions.dialects.instants import instant
from sessions.domain.policy import MINUTE_S
from sessions.failure import Failure, Reply

NotteStatus = Literal["active", "closed", "error", "timed_out"]
CloseReason = Literal["manual", "idle_timeout", "max_duration", "error", "unknown"]

STATUS: Final[dict[Status, NotteStatus]] = {
    "pending": "active",
    "queued": "active",
    "starting": "active",
    "running": "active",
    "blocked": "active",
    "pausing": "active",
    "paused": "active",
    "resuming": "active",
    "stopping": "active",
    "completed": "closed",
    "failed": "error",
    "timed_out": "timed_out",
    "stopped": "closed",
    "lost": "error",
}
CLOSE_REASON: Final[dict[Reason, CloseReason]] = {
    "requested": "manual",
    "finished": "manual",
    "goal_achieved": "manual",
    "deleted": "manual",
    "idle_timeout": "idle_timeout",
    "max_duration": "max_duration",
    "expired": "unknown",
    "limit_reached": "unknown",
    "client_error": "error",
    "runtime_failed": "error",
    "runtime_lost": "error",
    "runtime_unavailable": "error",
    "capacity": "error",
    "service_restart": "error",
    "reopened": "unknown",
}


class SessionResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A session for the early and for today's client (sections 2.2 and 3.4).

    A member `detail` would make today's client take the answer for an error.
    """

    session_id: str
    timeout_minutes: int
    idle_timeout_minutes: int
    max_duration_minutes: int
    created_at: datetime
    last_accessed_at: datetime
    closed_at: datetime | None
    duration: str
    status: NotteStatus
    close_reason: CloseReason | None
    error: str | None
    browser_type: str = "chromium"
    steps: tuple[Any, ...] = ()
    proxies: bool = False
    network_request_bytes: int = 0
    network_response_bytes: int = 0
    user_agent: str | None = None
    viewport_width: int | None = None
    viewport_height: int | None = None
    solve_captchas: bool = False
    cdp_url: str | None = None
    viewer_url: str | None = None
    web_bot_auth: bool = False
    auth_ids: tuple[str, ...] = ()
    system_hidden: bool = False
    queue_position: int | None = None
    """Of a session that waits for room, from 1; the clients keep what they do not know."""


class Refusal(msgspec.Struct, frozen=True):
    """An error (section 3.7): an object, never an array, with its status in it."""

    status: int
    message: str
    detail: str | tuple[Detail, ...]


def session_response(
    state: Session,
    now_us: int,
    traffic: tuple[int, int] | None = None,
    *,
    steps: tuple[Any, ...] = (),
    cdp_url: str | None = None,
    viewer_url: str | None = None,
    queue_position: int | None = None,
) -> SessionResponse:
    """The session as Notte shows it at `now_us`; `traffic` is that of a browser that lives."""
    until = now_us if state.ended_at is None else state.ended_at
    idle_s = state.max_duration_s if state.idle_timeout_s is None else state.idle_timeout_s
    visit = Visit() if state.browser is None else state.browser
    sent, received = traffic or (visit.request_bytes, visit.response_bytes)
    return SessionResponse(
        session_id=state.id,
        timeout_minutes=_minutes(idle_s),
        idle_timeout_minutes=_minutes(idle_s),
        max_duration_minutes=_minutes(state.max_duration_s),
        created_at=instant(state.created_at),
        last_accessed_at=instant(state.active_at),
        closed_at=None if state.ended_at is None else instant(state.ended_at),
        duration=_duration(max(0, until - state.created_at)),
        status=_status(state),
        close_reason=_close_reason(state),
        error=_error(state),
        steps=steps,
        proxies=visit.proxied,
        network_request_bytes=sent,
        network_response_bytes=received,
        user_agent=visit.user_agent,
        viewport_width=visit.viewport_width,
        viewport_height=visit.viewport_height,
        cdp_url=cdp_url,
        viewer_url=viewer_url,
        queue_position=queue_position,
    )


def encode_failure(failure: Failure) -> Reply:
    """A refusal in Notte's words; what was deleted is unknown here (sections 3.7 and 3.8)."""
    status, message = failure.status, failure.detail
    if status == 410:
        status = 404
    elif failure.code == "session_ended":
        # Clients look for these two words where they stop what has ended.
        message = f"The session is already closed. {message}"
    elif failure.code == "runtime_unavailable":
        status = 501  # a 503 would be sent again, and what is missing here is not there then
    details = tuple(Detail(f.path, f.message, f.code) for f in failure.fields)
    body = Refusal(status, message, details if status == 422 and details else message)
    return Reply(status, msgspec.json.encode(body), JSON)


def _status(state: Session) -> NotteStatus:
    # A client that ends its session for an error of its own is told that it is closed.
    by_client = state.status == "failed" and state.reason == "client_error"
    return "closed" if by_client else STATUS[state.status]


def _minutes(seconds: int) -> int:
    return -(-seconds // MINUTE_S)


def _duration(us: int) -> str:
    """ISO 8601, which both clients read."""
    whole, part = divmod(us, SECOND_US)
    fraction = f".{part:06d}".rstrip("0") if part else ""
    return f"PT{whole}{fraction}S"


def _close_reason(state: Session) -> CloseReason | None:
    if not state.ended:
        return None
    return "error" if STATUS[state.status] == "error" else CLOSE_REASON[state.reason]


def _error(state: Session) -> str | None:
    if _status(state) != "error":
        return None
    return state.detail or f"The session ended: {state.reason}."
