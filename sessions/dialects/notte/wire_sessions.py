"""Shapes around today's sessions: list, stop, readiness, offset, health (contract section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from projections.events.status import ENDED, STATUSES, Reason
from projections.folds.session import Session
from sessions.dialects import queries
from sessions.dialects.notte.wire import STATUS, SessionResponse

PAGE_MAX: Final = 10_000
PAGE_SIZE: Final = 10
PAGE_SIZE_MAX: Final = 100
ACTIVE: Final = tuple(status for status in STATUSES if status not in ENDED)

Ready = Literal["active", "failed", "closed"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions are to be listed."""

    page: int
    page_size: int
    only_active: bool
    only_own: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list, newest first."""

    items: tuple[SessionResponse, ...]
    page: int
    page_size: int
    has_next: bool
    has_previous: bool


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a session can be used; no session here waits for a login."""

    session_id: str
    status: Ready
    operations: tuple[()] = ()
    error: str | None = None


class Offset(msgspec.Struct, frozen=True):
    """How many steps the visit has."""

    offset: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """That the service answers."""

    status: str = "healthy"
    version: str
    description: str = "sessiond: browser sessions of your own. This is not Notte's cloud."


def wanted(query: Mapping[str, str]) -> Wanted:
    """What a query asks for; raises Failure 422. There are no sessions of the system."""
    queries.boolean(query, "include_system", False)
    return Wanted(
        page=queries.integer(query, "page", 1, 1, PAGE_MAX),
        page_size=queries.integer(query, "page_size", PAGE_SIZE, 1, PAGE_SIZE_MAX),
        only_active=queries.boolean(query, "only_active", True),
        only_own=queries.boolean(query, "only_current_token", False),
    )


def stop_reason(query: Mapping[str, str]) -> Reason:
    """Why a client stops its session; raises Failure 422."""
    said = queries.word(query, "close_reason", "manual", "error")
    return "client_error" if said == "error" else "requested"


def readiness(state: Session) -> Readiness:
    """Whether the session can be used."""
    shown = STATUS[state.status]
    if shown == "active":
        return Readiness(session_id=state.id, status="active")
    status: Ready = "failed" if shown == "error" else "closed"
    return Readiness(session_id=state.id, status=status, error=f"The session is {state.status}.")


def offset(state: Session) -> Offset:
    """How far the visit is: each look at a page and each action is a step."""
    visit = state.browser
    if visit is None:
        return Offset(0)
    return Offset(visit.observations + visit.actions + visit.scrapes + visit.pictures)
