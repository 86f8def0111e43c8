"""How Devin's API v1 shows sessions and tells of refusals (contract devin.md, section 3)."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from projections.events.status import Status
from projections.folds.agent import AgentState
from projections.folds.session import Session
from sessions.conversation import Said
from sessions.dialects.devin.ids import devin_id, hex_of
from sessions.dialects.fastapi import JSON
from sessions.dialects.instants import instant
from sessions.failure import Failure, Reply

TAGS_MAX: Final = 50
TITLE_CHARS: Final = 80
UNTITLED: Final = "Untitled session"
PREFIX: Final = "/devin"
NOTHING_YET: Final = AgentState()

StatusEnum = Literal[
    "working", "blocked", "expired", "finished", "suspend_requested", "resume_requested"
]

# The free text that old clients read, and the enum that pollers read.
STATUS: Final[dict[Status, tuple[str, StatusEnum | None]]] = {
    "pending": ("running", None),
    "queued": ("running", "working"),
    "starting": ("running", "working"),
    "running": ("running", "working"),
    "blocked": ("blocked", "blocked"),
    "pausing": ("running", "suspend_requested"),
    "paused": ("suspended", "suspend_requested"),
    "resuming": ("running", "resume_requested"),
    "stopping": ("running", "resume_requested"),
    "completed": ("exit", "finished"),
    "failed": ("exit", "expired"),
    "timed_out": ("exit", "expired"),
    "stopped": ("exit", "finished"),
    "lost": ("exit", "expired"),
}


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a create; `is_new_session` is in it only for an idempotent one."""

    session_id: str
    url: str
    is_new_session: bool | UnsetType = UNSET


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a change: that it was made, in words."""

    detail: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message; what an agent said has no sender."""

    type: Literal["initial_user_message", "user_message", "devin_message"]
    event_id: str
    message: str
    timestamp: str
    username: str | UnsetType = UNSET
    origin: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where the agent's pull request is."""

    url: str


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a list."""

    session_id: str
    url: str
    status: str
    status_enum: StatusEnum | None
    title: str
    created_at: str
    updated_at: str
    snapshot_id: str | None
    playbook_id: str | None
    tags: tuple[str, ...]
    pull_request: PullRequest | None
    structured_output: Any
    acus_consumed: float
    requesting_user_email: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session with its conversation."""

    session_id: str
    url: str
    status: str
    status_enum: StatusEnum | None
    title: str
    created_at: str
    updated_at: str
    snapshot_id: str | None
    playbook_id: str | None
    tags: tuple[str, ...]
    pull_request: PullRequest | None
    structured_output: Any
    acus_consumed: float
    messages: tuple[Message, ...]


def title_of(prompt: str) -> str:
    """A title from the beginning of a prompt; never empty."""
    title = " ".join(prompt.split())
    if len(title) > TITLE_CHARS:
        title = title[: TITLE_CHARS - 1].rstrip() + "…"
    return title or UNTITLED


def title_shown(state: Session) -> str:
    """The title of the session, or one from its prompt."""
    return state.title or title_of(spec_text(state, "prompt") or "")


def session_url(origin: str, session_id: str) -> str:
    """Where the session can be looked at; the id in it goes without its prefix."""
    return f"{origin.rstrip('/')}{PREFIX}/sessions/{hex_of(session_id)}"


def created(session_id: str, origin: str, new: bool | UnsetType) -> Created:
    """The answer to a create."""
    return Created(
        session_id=devin_id(session_id),
        url=session_url(origin, session_id),
        is_new_session=new,
    )


def session_view(state: Session, origin: str, messages: tuple[Message, ...]) -> SessionView:
    """The session as Devin shows it; its secrets stay behind."""
    return SessionView(**_shown(state, origin), messages=messages)


def session_row(state: Session, origin: str) -> SessionRow:
    """The session as a list shows it."""
    return SessionRow(**_shown(state, origin), requesting_user_email=state.owner)


def _shown(state: Session, origin: str) -> dict[str, Any]:
    status, status_enum = STATUS[state.status]
    agent = state.agent or NOTHING_YET
    newest = agent.pull_requests[-1] if agent.pull_requests else None
    return {
        "session_id": devin_id(state.id),
        "url": session_url(origin, state.id),
        "status": status,
        "status_enum": status_enum,
        "title": title_shown(state),
        "created_at": time_text(state.created_at),
        "updated_at": time_text(state.updated_at),
        "snapshot_id": spec_text(state, "snapshot_id"),
        "playbook_id": spec_text(state, "playbook_id"),
        "tags": state.labels,
        "pull_request": None if newest is None else PullRequest(url=newest.url),
        "structured_output": agent.structured_output,
        "acus_consumed": agent.acus,
    }


def initial_message(state: Session) -> tuple[Message, ...]:
    """The prompt as the first message; none for a session that was made without one."""
    prompt = spec_text(state, "prompt")
    if prompt is None:
        return ()
    first = Message(
        type="initial_user_message",
        event_id=f"event-{hex_of(state.id)}",
        message=prompt,
        timestamp=time_text(state.created_at),
        username=state.owner,
        origin="api",
        user_id=state.owner,
    )
    return (first,)


def later_message(said: Said) -> Message:
    """A message that was opened; one that was erased is empty."""
    fact, commit = said.fact, said.commit
    by_user = fact.role == "user"
    return Message(
        type="user_message" if by_user else "devin_message",
        event_id=fact.id,
        message=fact.content,
        timestamp=time_text(commit.at),
        username=commit.actor if by_user else UNSET,
        origin="api" if by_user else UNSET,
        user_id=commit.actor if by_user else UNSET,
    )


def encode_failure(failure: Failure) -> Reply:
    """A refusal as `detail` in one string; what was deleted is unknown here (section 2)."""
    status = {410: 404, 422: 400}.get(failure.status, failure.status)
    return Reply(status, msgspec.json.encode({"detail": failure.detail}), JSON)


def spec_text(state: Session, name: str) -> str | None:
    """A text of the spec; the native API takes any spec."""
    value = state.spec.get(name)
    return value if isinstance(value, str) else None


def time_text(at_us: int) -> str:
    """An instant as ISO 8601 with offset and microseconds (section 3)."""
    return instant(at_us).isoformat(timespec="microseconds")
