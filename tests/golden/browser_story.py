"""What the golden log tells of a browser session, from the wish for its browser to its film."""

from __future__ import annotations

from typing import Any

from eventstore.codec import Fact
from projections.events.artifact import ArtifactStored
from projections.events.browser import (
    BrowserActed,
    BrowserAttached,
    BrowserClosed,
    BrowserCookiesSet,
    BrowserDetached,
    BrowserFileAdded,
    BrowserFileRemoved,
    BrowserObserved,
    BrowserOpened,
    BrowserPictured,
    BrowserRecorded,
    BrowserRequested,
    BrowserScraped,
)
from projections.events.session import SessionCreated, SessionStatusChanged

VISIT = "session/0198c0de-0000-7000-8000-00000000000c"
PICTURE, UPLOAD, FILM, NETWORK = "a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32

Told = tuple[str, dict[str, Any], tuple[Fact, ...]]


def _began(opening: str) -> tuple[Fact, ...]:
    created = SessionCreated(
        kind="browser",
        dialect="notte",
        owner="key:ci",
        status="queued",
        max_duration_s=900,
        idle_timeout_s=180,
        spec={"idle_timeout_minutes": 3},
        reason="capacity",
    )
    requested = BrowserRequested(
        viewport_width=1280,
        viewport_height=1080,
        user_agent="Größe/1.0",
        headers=("X-Key",),
        proxied=True,
        record=False,
        sealed=opening,
    )
    return created, requested


def _opened() -> tuple[Fact, ...]:
    opened = BrowserOpened(
        version="156.0.1",
        user_agent="Größe/1.0",
        viewport_width=1280,
        viewport_height=1080,
        open_ms=87,
    )
    return opened, SessionStatusChanged(was="starting", to="running", reason="requested")


def _acted(typed: str) -> tuple[Fact, ...]:
    filled = BrowserActed(
        type="fill",
        success=True,
        action={"id": "I1", "clear_before_fill": False},
        hidden=("value",),
        sealed=typed,
        secret=True,
        message="Filled “Name”",
        label="Name",
        url="https://example.test/form?q=1",
        title="A form",
        duration_ms=41,
        files=(UPLOAD,),
    )
    failed = BrowserActed(
        type="click",
        success=False,
        action={"id": "B9"},
        message="There is no B9 on the page",
        error_type="InvalidActionError",
    )
    return filled, failed


def _observed() -> tuple[Fact, ...]:
    stored = ArtifactStored(name="observed-1.jpg", sha256=PICTURE, size=9, media_type="image/jpeg")
    observed = BrowserObserved(
        url="https://example.test/",
        title="Home",
        category="homepage",
        actions=3,
        screenshot=PICTURE,
    )
    return stored, observed


def _files() -> tuple[Fact, ...]:
    added = BrowserFileAdded(
        id="f-1",
        name="größe.txt",
        sha256=UPLOAD,
        size=4,
        media_type="text/plain",
        source="user_upload",
    )
    return (
        added,
        BrowserFileRemoved(id="f-1"),
        BrowserFileAdded(
            id="f-2",
            name="report.pdf",
            sha256=UPLOAD,
            size=4,
            media_type="application/pdf",
            source="session_download",
        ),
    )


def _closed() -> tuple[Fact, ...]:
    closed = BrowserClosed(
        reason="runtime_failed",
        detail="the browser crashed",
        request_bytes=10,
        response_bytes=2000,
        requests=3,
        network=NETWORK,
    )
    failed = SessionStatusChanged(
        was="running", to="failed", reason="runtime_failed", detail="the browser crashed"
    )
    return closed, failed


def browser_story(
    ci: dict[str, Any], service: dict[str, Any], sealed: tuple[str, str, str]
) -> tuple[Told, ...]:
    """The commits; `sealed` are an opening, what was typed, and cookies."""
    opening, typed, cookies = sealed
    read = BrowserScraped(url="https://example.test/", title="Home", chars=120, images=2)
    pictured = BrowserPictured(url="https://example.test/", screenshot=PICTURE, full_page=True)
    jar = BrowserCookiesSet(count=2, domains=("example.test",), sealed=cookies)
    film = BrowserRecorded(
        sha256=FILM, size=5000, media_type="video/mp4", frames=12, duration_ms=3400
    )
    starting = SessionStatusChanged(was="queued", to="starting", reason="requested")
    return (
        (VISIT, ci, _began(opening)),
        (VISIT, ci, (starting,)),
        (VISIT, service, _opened()),
        (VISIT, ci, _observed()),
        (VISIT, ci, _acted(typed)),
        (VISIT, ci, (read, pictured, jar)),
        (VISIT, ci, (BrowserAttached(),)),
        (VISIT, ci, (BrowserDetached(calls=7, duration_ms=900),)),
        (VISIT, ci, _files()),
        (VISIT, service, _closed()),
        (VISIT, service, (film,)),
    )
