"""Facts about the browser of a session and what was done in it; stream `session/<id>`.

Addresses are in clear, without user and password. Screenshots and files are artifacts of the
session, named here by their SHA-256. What a caller typed, code, cookies, headers and proxies are
sealed with the key of the session.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from eventstore.codec import Fact
from projections.events.status import Reason

Source = Literal["user_upload", "session_download"]


class BrowserRequested(Fact, frozen=True, kw_only=True):
    """A browser is wanted; written before there is any, and enough to make it after a restart.

    `sealed` holds headers and proxy as JSON; only the headers' names are in clear.
    """

    NAME: ClassVar = "browser.requested"

    viewport_width: int | None = None
    viewport_height: int | None = None
    user_agent: str | None = None
    headers: tuple[str, ...] = ()
    proxied: bool = False
    record: bool = True
    sealed: str = ""


class BrowserOpened(Fact, frozen=True, kw_only=True):
    """The browser answers: the program's version, and how long it took."""

    NAME: ClassVar = "browser.opened"

    version: str = ""
    user_agent: str = ""
    viewport_width: int = 0
    viewport_height: int = 0
    open_ms: int = 0


class BrowserObserved(Fact, frozen=True, kw_only=True):
    """Someone looked at the page: where it was, and how many things could be done there."""

    NAME: ClassVar = "browser.observed"

    url: str
    title: str = ""
    category: str = ""
    actions: int = 0
    screenshot: str = ""


class BrowserActed(Fact, frozen=True, kw_only=True):
    """Something was done in the browser, or failed, and where it was afterwards.

    `action` says what was asked for with its plain fields; what may be secret is in `sealed`, as
    JSON by field, and `hidden` names those fields.
    """

    NAME: ClassVar = "browser.acted"

    type: str
    success: bool
    action: dict[str, Any] = {}
    hidden: tuple[str, ...] = ()
    sealed: str = ""
    secret: bool = False
    message: str = ""
    error_type: str = ""
    label: str = ""
    url: str = ""
    title: str = ""
    duration_ms: int = 0
    files: tuple[str, ...] = ()


class BrowserScraped(Fact, frozen=True, kw_only=True):
    """The text of the page was read: how long it was, and its images."""

    NAME: ClassVar = "browser.scraped"

    url: str
    title: str = ""
    chars: int = 0
    images: int = 0


class BrowserPictured(Fact, frozen=True, kw_only=True):
    """A screenshot of the page was taken."""

    NAME: ClassVar = "browser.pictured"

    url: str = ""
    screenshot: str = ""
    full_page: bool = False


class BrowserCookiesSet(Fact, frozen=True, kw_only=True):
    """Cookies were given to the browser; `sealed` holds them as JSON."""

    NAME: ClassVar = "browser.cookies_set"

    count: int
    domains: tuple[str, ...] = ()
    sealed: str = ""


class BrowserFileAdded(Fact, frozen=True, kw_only=True):
    """The session has a file: one for the pages to take, or one that they gave."""

    NAME: ClassVar = "browser.file_added"

    id: str
    name: str
    sha256: str
    size: int
    media_type: str
    source: Source


class BrowserFileRemoved(Fact, frozen=True, kw_only=True):
    """The file is no longer among those of the session; its bytes stay as an artifact."""

    NAME: ClassVar = "browser.file_removed"

    id: str


class BrowserRecorded(Fact, frozen=True, kw_only=True):
    """The film of the visit is complete; its bytes are an artifact of the session."""

    NAME: ClassVar = "browser.recorded"

    sha256: str
    size: int
    media_type: str
    frames: int = 0
    duration_ms: int = 0


class BrowserAttached(Fact, frozen=True, kw_only=True):
    """Somebody steers the browser by its debugger from now on: no fact tells each of those steps.

    What comes of them is in the film and in the log of the network.
    """

    NAME: ClassVar = "browser.attached"


class BrowserDetached(Fact, frozen=True, kw_only=True):
    """Who steered the browser by its debugger has left: for how long, and with how many calls."""

    NAME: ClassVar = "browser.detached"

    calls: int = 0
    duration_ms: int = 0


class BrowserClosed(Fact, frozen=True, kw_only=True):
    """The browser is no more: why, and what it had sent and received.

    `network` is the artifact with all its requests, one JSON object a line.
    """

    NAME: ClassVar = "browser.closed"

    reason: Reason
    detail: str = ""
    request_bytes: int = 0
    response_bytes: int = 0
    requests: int = 0
    network: str = ""
