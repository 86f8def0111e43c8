"""Shapes of the native API's browsers."""

from __future__ import annotations

from datetime import datetime

import msgspec

from projections.events.browser import Source
from projections.events.status import Reason, Status
from projections.folds.browser import Visit, VisitFile
from projections.folds.session import Session
from sessions.dialects.instants import instant


class BrowserFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was given to the browser or that a page gave; the artifact `sha256`."""

    id: str
    name: str
    sha256: str
    size: int
    media_type: str
    source: Source
    created_at: datetime


class BrowserView(msgspec.Struct, frozen=True, kw_only=True):
    """The browser of a session; `status` is that of the session.

    `queue_position` counts from 1 among those that wait for room. `url` and `title` are those of
    the last step that told them. Traffic is that of now while the browser is open. `recording` and
    `network` are artifacts of the session, once there are any.
    """

    session: str
    status: Status
    queue_position: int | None
    open: bool
    reason: Reason | None
    detail: str
    version: str
    user_agent: str | None
    viewport_width: int | None
    viewport_height: int | None
    header_names: tuple[str, ...]
    proxied: bool
    url: str
    title: str
    observations: int
    actions: int
    failures: int
    scrapes: int
    pictures: int
    requests: int
    request_bytes: int
    response_bytes: int
    open_ms: int | None
    requested_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    recording: str | None
    network: str | None
    files: tuple[BrowserFile, ...]
    position: int


def browser_view(
    state: Session, queue_position: int | None = None, traffic: tuple[int, int] | None = None
) -> BrowserView:
    """The browser as the native API shows it; `traffic` is that of one that is open."""
    visit = state.browser or Visit()
    sent, received = traffic or (visit.request_bytes, visit.response_bytes)
    return BrowserView(
        session=state.id,
        status=state.status,
        queue_position=queue_position,
        open=visit.open and visit.opened_at is not None,
        reason=visit.reason,
        detail=visit.detail,
        version=visit.version,
        user_agent=visit.user_agent,
        viewport_width=visit.viewport_width,
        viewport_height=visit.viewport_height,
        header_names=visit.headers,
        proxied=visit.proxied,
        url=visit.url,
        title=visit.title,
        observations=visit.observations,
        actions=visit.actions,
        failures=visit.failures,
        scrapes=visit.scrapes,
        pictures=visit.pictures,
        requests=visit.requests,
        request_bytes=sent,
        response_bytes=received,
        open_ms=None if visit.opened_at is None else visit.open_ms,
        requested_at=_instant_or_none(visit.requested_at),
        opened_at=_instant_or_none(visit.opened_at),
        closed_at=_instant_or_none(visit.closed_at),
        recording=visit.recording or None,
        network=visit.network or None,
        files=tuple(map(_file, visit.files)),
        position=state.position,
    )


def _file(file: VisitFile) -> BrowserFile:
    return BrowserFile(
        id=file.id,
        name=file.name,
        sha256=file.sha256,
        size=file.size,
        media_type=file.media_type,
        source=file.source,
        created_at=instant(file.at),
    )


def _instant_or_none(at_us: int | None) -> datetime | None:
    return None if at_us is None else instant(at_us)
