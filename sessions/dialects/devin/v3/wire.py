"""How Devin's API v3 shows sessions and tells of refusals (contract devin.md, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from projections.events.status import Reason, Status
from projections.folds.agent import AgentState
from projections.folds.session import Session
from sessions.caller import Caller
from sessions.conversation import Said
from sessions.dialects import fastapi
from sessions.dialects.devin import wire as v1
from sessions.dialects.devin.ids import ORGANISATION, devin_id
from sessions.domain.archiving import is_archived
from sessions.failure import Failure, Reply

SECOND_US: Final = 1_000_000

StatusWord = Literal["new", "claimed", "running", "exit", "error", "suspended", "resuming"]
Detail = Literal[
    "working",
    "waiting_for_user",
    "finished",
    "inactivity",
    "user_request",
    "usage_limit_exceeded",
    "error",
]
STATUS: Final[dict[Status, tuple[StatusWord, Detail | None]]] = {
    "pending": ("new", None),
    "queued": ("new", None),
    "starting": ("claimed", None),
    "running": ("running", "working"),
    "blocked": ("running", "waiting_for_user"),
    "pausing": ("running", "working"),
    "paused": ("suspended", "user_request"),
    "resuming": ("resuming", None),
    "stopping": ("running", "working"),
    "completed": ("exit", "finished"),
    "failed": ("error", "error"),
    "timed_out": ("exit", "inactivity"),
    "stopped": ("exit", "user_request"),
    "lost": ("error", "error"),
}
# Why a session sleeps or ended says more than that it does.
_LIMIT: Final[Detail] = "usage_limit_exceeded"
_BY_REASON: Final[dict[Reason, Detail]] = {
    "idle_timeout": "inactivity",
    "limit_reached": _LIMIT,
    "max_duration": _LIMIT,
}
_NOTHING_YET: Final = AgentState()
T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list; `end_cursor` is where the next one begins, if there is one.

    Nothing counts the whole list.
    """

    items: Sequence[T]
    end_cursor: str | None
    has_next_page: bool
    total: int | None = None


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request that came of the work."""

    pr_url: str
    pr_state: str | None


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session. Times are whole seconds; no session has parents or children here."""

    session_id: str
    url: str
    org_id: str
    title: str
    status: StatusWord
    status_detail: Detail | None
    tags: tuple[str, ...]
    pull_requests: tuple[PullRequest, ...]
    structured_output: dict[str, Any] | None
    acus_consumed: float
    created_at: int
    updated_at: int
    is_archived: bool
    is_advanced: bool
    playbook_id: str | None
    user_id: str | None
    service_user_id: str
    parent_session_id: str | None = None
    child_session_ids: tuple[str, ...] | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    event_id: str
    source: Literal["devin", "user"]
    message: str
    created_at: int


class TagsView(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a session."""

    tags: tuple[str, ...]


class Self(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key it is."""

    principal_type: Literal["service_user"] = "service_user"
    service_user_id: str
    service_user_name: str
    org_id: str


def org_id(tenant: str) -> str:
    """The organisation that a tenant is."""
    return ORGANISATION + tenant


def session_view(state: Session, origin: str) -> SessionView:
    """The session as v3 shows it; its secrets stay behind."""
    status, detail = _status(state)
    agent = state.agent or _NOTHING_YET
    return SessionView(
        session_id=devin_id(state.id),
        url=v1.session_url(origin, state.id),
        org_id=org_id(state.tenant),
        title=v1.title_shown(state),
        status=status,
        status_detail=detail,
        tags=state.labels,
        pull_requests=tuple(
            PullRequest(pr_url=one.url, pr_state=one.state or None) for one in agent.pull_requests
        ),
        structured_output=_output(agent.structured_output),
        acus_consumed=agent.acus,
        created_at=seconds(state.created_at),
        updated_at=seconds(state.updated_at),
        is_archived=is_archived(state),
        is_advanced=v1.spec_text(state, "advanced_mode") is not None,
        playbook_id=v1.spec_text(state, "playbook_id"),
        user_id=v1.spec_text(state, "create_as_user_id"),
        service_user_id=state.owner,
    )


def _status(state: Session) -> tuple[StatusWord, Detail | None]:
    status, detail = STATUS[state.status]
    if state.ended or state.status == "paused":
        detail = _BY_REASON.get(state.reason, detail)
    return status, detail


def _output(value: Any) -> dict[str, Any] | None:
    """An object, which is all that v3 shows: whatever else an agent puts out becomes a member."""
    return value if value is None or isinstance(value, dict) else {"value": value}


def first_message(state: Session) -> Message | None:
    """The prompt as the first message; None for a session that was made without one."""
    shown = v1.initial_message(state)
    return _message(shown[0], state.created_at) if shown else None


def later_message(said: Said) -> Message:
    """A message that was opened; one that was erased is empty."""
    return _message(v1.later_message(said), said.commit.at)


def _message(shown: v1.Message, at_us: int) -> Message:
    return Message(
        event_id=shown.event_id,
        source="devin" if shown.type == "devin_message" else "user",
        message=shown.message,
        created_at=seconds(at_us),
    )


def page_of(
    found: Sequence[T], first: int, show: Callable[[T], Any], cursor_of: Callable[[T], str]
) -> Page[Any]:
    """The first so many of what was found, of which one more tells that there is a next page."""
    more = len(found) > first
    shown = found[:first]
    return Page(
        items=[show(one) for one in shown],
        end_cursor=cursor_of(shown[-1]) if more else None,
        has_next_page=more,
    )


def self_view(who: Caller) -> Self:
    """Whose key it is; a key's name is all that there is to know of its user."""
    return Self(
        service_user_id=who.actor,
        service_user_name=who.actor.partition(":")[2] or who.actor,
        org_id=org_id(who.tenant),
    )


def seconds(at_us: int) -> int:
    """An instant as v3 tells it."""
    return at_us // SECOND_US


def encode_failure(failure: Failure) -> Reply:
    """A refusal as FastAPI tells it; what was deleted is unknown here."""
    if failure.status == 410:
        failure = Failure(404, failure.code, failure.detail, headers=failure.headers)
    return fastapi.encode_failure(failure)
