"""What is known of the browser of a session: what its facts in the session's stream add up to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from eventstore.codec import Fact
from eventstore.commit import Commit
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
    Source,
)
from projections.events.status import Reason


class VisitFile(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A file of the session; its bytes are the artifact `sha256`."""

    id: str
    name: str
    sha256: str
    size: int
    media_type: str
    source: Source
    at: int


class Visit(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The browser of a session; instants in microseconds since the epoch.

    `url` and `title` are those of the page as it was last told, `sealed` is what
    `browser.requested` sealed, `network` and `recording` are artifacts.
    """

    requested_at: int | None = None
    opened_at: int | None = None
    closed_at: int | None = None
    reason: Reason | None = None
    detail: str = ""
    viewport_width: int | None = None
    viewport_height: int | None = None
    user_agent: str | None = None
    headers: tuple[str, ...] = ()
    proxied: bool = False
    record: bool = True
    sealed: str = ""
    version: str = ""
    open_ms: int = 0
    url: str = ""
    title: str = ""
    observations: int = 0
    actions: int = 0
    failures: int = 0
    scrapes: int = 0
    pictures: int = 0
    attached: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    requests: int = 0
    network: str = ""
    recording: str = ""
    recording_bytes: int = 0
    recording_type: str = ""
    recording_ms: int = 0
    files: tuple[VisitFile, ...] = ()

    @property
    def open(self) -> bool:
        """True if a browser was wanted and nothing says that it is no more."""
        return self.requested_at is not None and self.closed_at is None


def evolve(state: Visit | None, fact: Fact, commit: Commit) -> Visit | None:
    """The state after one more fact; facts of other things change nothing."""
    step = STEPS.get(type(fact))
    if step is None:
        return state
    return step(Visit() if state is None else state, fact, commit)


def _requested(state: Visit, fact: BrowserRequested, commit: Commit) -> Visit:
    return replace(
        state,
        requested_at=commit.at,
        viewport_width=fact.viewport_width,
        viewport_height=fact.viewport_height,
        user_agent=fact.user_agent,
        headers=fact.headers,
        proxied=fact.proxied,
        record=fact.record,
        sealed=fact.sealed,
    )


def _opened(state: Visit, fact: BrowserOpened, commit: Commit) -> Visit:
    return replace(
        state,
        opened_at=commit.at,
        version=fact.version,
        user_agent=fact.user_agent,
        viewport_width=fact.viewport_width,
        viewport_height=fact.viewport_height,
        open_ms=fact.open_ms,
    )


def _observed(state: Visit, fact: BrowserObserved, _: Commit) -> Visit:
    return replace(state, observations=state.observations + 1, url=fact.url, title=fact.title)


def _acted(state: Visit, fact: BrowserActed, _: Commit) -> Visit:
    return replace(
        state,
        actions=state.actions + 1,
        failures=state.failures + (not fact.success),
        url=fact.url or state.url,
        title=fact.title if fact.url else state.title,
    )


def _scraped(state: Visit, fact: BrowserScraped, _: Commit) -> Visit:
    return replace(state, scrapes=state.scrapes + 1, url=fact.url, title=fact.title)


def _pictured(state: Visit, fact: BrowserPictured, _: Commit) -> Visit:
    return replace(state, pictures=state.pictures + 1, url=fact.url or state.url)


def _file_added(state: Visit, fact: BrowserFileAdded, commit: Commit) -> Visit:
    file = VisitFile(
        id=fact.id,
        name=fact.name,
        sha256=fact.sha256,
        size=fact.size,
        media_type=fact.media_type,
        source=fact.source,
        at=commit.at,
    )
    return replace(state, files=(*state.files, file))


def _file_removed(state: Visit, fact: BrowserFileRemoved, _: Commit) -> Visit:
    return replace(state, files=tuple(file for file in state.files if file.id != fact.id))


def _recorded(state: Visit, fact: BrowserRecorded, _: Commit) -> Visit:
    return replace(
        state,
        recording=fact.sha256,
        recording_bytes=fact.size,
        recording_type=fact.media_type,
        recording_ms=fact.duration_ms,
    )


def _closed(state: Visit, fact: BrowserClosed, commit: Commit) -> Visit:
    return replace(
        state,
        closed_at=commit.at,
        reason=fact.reason,
        detail=fact.detail,
        request_bytes=fact.request_bytes,
        response_bytes=fact.response_bytes,
        requests=fact.requests,
        network=fact.network,
        sealed="",
    )


STEPS: Final[dict[type, Callable[[Visit, Any, Commit], Visit]]] = {
    BrowserRequested: _requested,
    BrowserOpened: _opened,
    BrowserObserved: _observed,
    BrowserActed: _acted,
    BrowserScraped: _scraped,
    BrowserPictured: _pictured,
    BrowserCookiesSet: lambda state, *_: state,
    BrowserFileAdded: _file_added,
    BrowserFileRemoved: _file_removed,
    BrowserRecorded: _recorded,
    BrowserAttached: lambda state, *_: replace(state, attached=state.attached + 1),
    BrowserDetached: lambda state, *_: state,
    BrowserClosed: _closed,
}
USES: Final = frozenset(
    {
        BrowserOpened,
        BrowserObserved,
        BrowserActed,
        BrowserScraped,
        BrowserPictured,
        BrowserCookiesSet,
        BrowserFileAdded,
        BrowserFileRemoved,
        BrowserAttached,
        BrowserDetached,
    }
)
"""The facts that say that somebody uses the session."""
