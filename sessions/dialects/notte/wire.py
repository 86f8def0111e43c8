"""Shapes of Notte's API (contract notte.md): requests, answers, errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from projections.events.status import Reason, Status
from projections.folds.session import SECOND_US, Session
from sessions.dialects import fastapi
from sessions.dialects.fastapi import JSON, Field, Path, Wrong
from sessions.dialects.instants import instant
from sessions.domain import commands
from sessions.domain.policy import MINUTE_S
from sessions.failure import Failure, FieldError, Reply

TIMEOUT_MINUTES: Final = 5
TIMEOUT_MINUTES_MAX: Final = 30

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
}


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /session/start` asks for, from body and query together (section 2.4)."""

    timeout_minutes: int
    keep_alive: bool
    screenshot: bool | None


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
    browser_type: str
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


class Refusal(msgspec.Struct, frozen=True):
    """An error (section 3.7): an object, never an array, with its status in it."""

    status: int
    message: str
    detail: str


def start(body: Any, query: Mapping[str, str]) -> Start:
    """What is asked for (section 2.4): the body goes before the query; raises Failure 400."""
    wrong: Wrong = []
    read = fastapi.object_of(_START)
    said = read({} if body is None else body, ("body",), wrong)
    asked = read(_query_values(query), ("query",), wrong)
    if wrong:
        raise fastapi.refusal(wrong, 400)
    both = {**asked, **said}
    given = (source[name] for source in (said, asked) for name in _TIMEOUTS if name in source)
    return Start(
        timeout_minutes=next(given, TIMEOUT_MINUTES),
        keep_alive=both.get("keep_alive", False),
        screenshot=both.get("screenshot"),
    )


def to_command(asked: Start, owner: str) -> commands.CreateSession:
    """The session that `asked` makes; it waits, for there is no browser yet."""
    return commands.CreateSession(
        kind="browser",
        dialect="notte",
        owner=owner,
        status="pending",
        spec={
            "session_timeout_minutes": asked.timeout_minutes,
            "keep_alive": asked.keep_alive,
            "screenshot": asked.screenshot,
        },
        idle_timeout_s=asked.timeout_minutes * MINUTE_S,
    )


def session_response(state: Session, now_us: int) -> SessionResponse:
    """The session as Notte shows it at `now_us`."""
    until = now_us if state.ended_at is None else state.ended_at
    idle_s = state.max_duration_s if state.idle_timeout_s is None else state.idle_timeout_s
    browser_type = state.spec.get("browser_type")
    return SessionResponse(
        session_id=state.id,
        timeout_minutes=_minutes(idle_s),
        idle_timeout_minutes=_minutes(idle_s),
        max_duration_minutes=_minutes(state.max_duration_s),
        created_at=instant(state.created_at),
        last_accessed_at=instant(state.active_at),
        closed_at=None if state.ended_at is None else instant(state.ended_at),
        duration=_duration(max(0, until - state.created_at)),
        status=STATUS[state.status],
        close_reason=_close_reason(state),
        error=_error(state),
        browser_type=browser_type if isinstance(browser_type, str) else "chromium",
    )


def encode_failure(failure: Failure) -> Reply:
    """A refusal in Notte's words; what was deleted is unknown here."""
    status = 404 if failure.status == 410 else failure.status
    body = Refusal(status, failure.detail, failure.detail)
    return Reply(status, msgspec.json.encode(body), JSON)


def _never(_: Any, path: Path, wrong: Wrong) -> Any:
    message = "a session that starts has no id yet; observe uses one that exists"
    wrong.append(FieldError(path, message, "value_error"))


# Of the two names the client's goes before the one that only the documentation knows.
_TIMEOUTS: Final = ("session_timeout_minutes", "session_timeout")
_minutes_check: Final = fastapi.integer(1, TIMEOUT_MINUTES_MAX)
_START: Final = (
    Field("session_id", _never),
    Field("keep_alive", fastapi.boolean, nullable=False),
    *(Field(name, _minutes_check, nullable=False) for name in _TIMEOUTS),
    Field("screenshot", fastapi.boolean),
)
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_BOOLEANS: Final = frozenset({"keep_alive", "screenshot"})
_DIGITS_MAX: Final = 9


def _query_values(query: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _boolean(value) if name in _BOOLEANS else _integer(value)
        for name, value in query.items()
    }


def _boolean(text: str) -> bool | str:
    word = text.lower()
    return word in _TRUE if word in _TRUE | _FALSE else text


def _integer(text: str) -> int | str:
    digits = text.removeprefix("-")
    fits = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX
    return int(text) if fits else text


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
    if STATUS[state.status] != "error":
        return None
    return state.detail or f"The session ended: {state.reason}."
