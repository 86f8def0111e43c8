"""Shapes of `replay` (contract notte.md sections 3.2 and 3.8): where the film of a visit is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from projections.folds.session import SECOND_US, Session
from sessions.dialects.instants import instant

ReplayStatus = Literal["waiting_for_session", "processing", "unavailable"]


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The film, for a while without a key; there are no segments and no track of the mouse."""

    mp4_url: str
    expires_at: str
    video_start_ms: int
    video_duration_ms: int
    playlist_content: str | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """There is no film, or none yet; clients ask again while it is `retryable`."""

    session_id: str
    detail: str
    message: str
    replay_status: ReplayStatus
    retryable: bool
    status: int = 404
    error: str = "replay_not_found"


class Mouse(msgspec.Struct, frozen=True, kw_only=True):
    """The track of the mouse, of which nothing is kept: people see it in the film."""

    mouse_manifest_url: str | None = None
    mouse_chunk_urls: tuple[str, ...] = ()
    mouse_next_offset: int | None = None


def replay(state: Session, mp4_url: str, expires_at: int) -> Replay:
    """The film of a session that has one."""
    visit = state.browser
    assert visit is not None
    opened_at = state.created_at if visit.opened_at is None else visit.opened_at
    return Replay(
        mp4_url=mp4_url,
        expires_at=_text(instant(expires_at * SECOND_US)),
        video_start_ms=max(0, opened_at - state.created_at) // 1000,
        video_duration_ms=visit.recording_ms,
    )


def missing(state: Session, pending: bool) -> Missing:
    """Why there is no film; in these words of an active session the client knows to stop asking."""
    if not state.ended:
        detail = "The session is still active: its replay is made when it is closed."
        return _missing(state, detail, "waiting_for_session", retryable=True)
    if pending:
        detail = "The replay is being made; ask again in a moment."
        return _missing(state, detail, "processing", retryable=True)
    detail = "There is no replay: nothing of the visit was recorded."
    return _missing(state, detail, "unavailable", retryable=False)


def _missing(state: Session, detail: str, status: ReplayStatus, *, retryable: bool) -> Missing:
    return Missing(
        session_id=state.id,
        detail=detail,
        message=detail,
        replay_status=status,
        retryable=retryable,
    )


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
