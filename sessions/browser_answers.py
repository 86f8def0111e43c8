"""What callers hand over for a browser and get back from one; instants are microseconds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from projections.folds.browser import VisitFile
from sessions.runtimes.browser.port import Done, Observation, Scraped, UpstreamProxy


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How the browser of a session is to be; the service chooses what is left out."""

    viewport: tuple[int, int] | None = None
    user_agent: str | None = None
    headers: dict[str, str] = {}
    proxy: UpstreamProxy | None = None
    record: bool = True


SessionFile = VisitFile


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, and the artifact that its screenshot is (empty if it could not be kept)."""

    observation: Observation
    screenshot: str
    started_at: int
    ended_at: int


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action, and the files that it brought into the session."""

    done: Done
    files: tuple[SessionFile, ...]
    started_at: int
    ended_at: int


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What the page said."""

    scraped: Scraped
    started_at: int
    ended_at: int


class Pictured(msgspec.Struct, frozen=True, kw_only=True):
    """A screenshot as JPEG, and the artifact that it is (empty if it could not be kept)."""

    jpeg: bytes
    screenshot: str
    started_at: int
    ended_at: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a visit out of the log, oldest first.

    `action` has the fields of the port's Action that were given, opened again; of what went into
    a field for secrets, and once the session was erased, the hidden ones are `***`.
    """

    kind: Literal["opened", "observed", "acted", "scraped", "pictured", "cookies_set", "closed"]
    at: int
    position: int
    type: str = ""
    success: bool = True
    action: dict[str, Any] = {}
    message: str = ""
    error_type: str = ""
    label: str = ""
    url: str = ""
    title: str = ""
    screenshot: str = ""
    duration_ms: int = 0
    files: tuple[str, ...] = ()


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a browser at this moment and stands in no log.

    `queued` is its place among those that wait for room, from 1.
    """

    queued: int | None
    answers: bool
    request_bytes: int
    response_bytes: int
