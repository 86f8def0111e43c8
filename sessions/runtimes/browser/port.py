"""What the service asks of browsers; `Chromium` in runtime.py answers, and nobody else knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from projections.events.status import Reason

ActionType = Literal[
    "goto",
    "goto_new_tab",
    "close_tab",
    "switch_tab",
    "go_back",
    "go_forward",
    "reload",
    "wait",
    "press_key",
    "scroll_up",
    "scroll_down",
    "evaluate_js",
    "form_fill",
    "click",
    "fill",
    "check",
    "select_dropdown_option",
    "upload_file",
    "download_file",
]
Role = Literal["link", "button", "input"]


class BrowserError(Exception):
    """Something about a browser went wrong; the text is one clear sentence for a caller."""


class RuntimeUnavailable(BrowserError):
    """No browser can be had here: what is missing, and what to install."""


class BrowserFailed(BrowserError):
    """The browser could not be started, is gone, or does not answer any more."""


class PageRefused(BrowserError):
    """The browser lives and the page cannot do what was asked (no page, crashed, too large)."""


class UpstreamProxy(msgspec.Struct, frozen=True, kw_only=True):
    """A proxy of the caller that all traffic of a session goes through."""

    server: str
    username: str = ""
    password: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that is wanted: a context of its own, with one empty page."""

    id: str
    folder: Path
    """Where its files lie: `downloads/` is written by the browser, `uploads/` read by pages."""
    viewport: tuple[int, int] | None = None
    user_agent: str | None = None
    headers: dict[str, str] = {}
    proxy: UpstreamProxy | None = None
    record: bool = True


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Where an element is; any of the three finds it, inside its frames from the outside in."""

    css: str = ""
    xpath: str = ""
    playwright: str = ""
    frames: tuple[str, ...] = ()
    in_shadow_root: bool = False


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """What an action on an input takes."""

    name: str
    type: str = "str"
    default: str | None = None
    values: tuple[str, ...] = ()


class PageAction(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person could do on the page; `id` is L, B or I and a number."""

    id: str
    role: Role
    type: ActionType
    description: str
    category: str
    label: str
    selector: Selector
    param: Param | None = None


class Viewport(msgspec.Struct, frozen=True, kw_only=True):
    """What of the page can be seen, in CSS pixels."""

    scroll_x: int
    scroll_y: int
    width: int
    height: int
    total_width: int
    total_height: int


class Tab(msgspec.Struct, frozen=True, kw_only=True):
    """A tab; `id` stays the same while it lives."""

    id: int
    title: str
    url: str


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the browser is."""

    url: str
    title: str
    tabs: tuple[Tab, ...]
    viewport: Viewport


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What can be done on the current page; `category` is one of the contract's words."""

    place: Place
    description: str
    category: str
    actions: tuple[PageAction, ...]
    screenshot: bytes
    """A JPEG; empty where it was not asked for or the page gives none."""
    markdown: str = ""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do; an element is named by the `id` of the last observation or by `selector`."""

    type: ActionType
    id: str = ""
    selector: Selector | None = None
    value: str | bool | None = None
    values: dict[str, str] = {}
    """Of `form_fill`: what goes into which kind of field."""
    url: str = ""
    wait_until: str = ""
    key: str = ""
    amount: int | None = None
    time_ms: int = 0
    tab_index: int = 0
    code: str = ""
    file: Path | None = None
    """Of `upload_file`: already checked to lie in `uploads/` of the session."""
    clear_before_fill: bool = True
    press_enter: bool = False
    timeout_ms: int = 15_000


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an action; one that failed says why, and the browser goes on."""

    success: bool
    message: str
    error_type: str = ""
    """The client's class of error, such as InvalidActionError; empty where it succeeded."""
    text: str | None = None
    """Of `evaluate_js`: the result as JSON or text."""
    file: Path | None = None
    """Of `download_file`: what was downloaded, under `downloads/`."""
    selector: Selector | None = None
    """The element that was acted on."""
    label: str = ""
    secret: bool = False
    """True where the value went into a field for secrets."""
    place: Place | None = None
    """Where the browser is afterwards."""


class ScrapeWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to read from the current page."""

    links: bool = True
    images: bool = False
    only_main_content: bool = True
    link_placeholders: bool = False
    selector: str = ""
    ignored_tags: tuple[str, ...] = ()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image of a page."""

    url: str
    description: str = ""


class Scraped(msgspec.Struct, frozen=True, kw_only=True):
    """What the page says; `placeholders` are the links that the text only numbers."""

    place: Place
    markdown: str
    images: tuple[Image, ...] = ()
    placeholders: dict[str, str] = {}


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why a browser is no more."""

    reason: Reason
    detail: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the browser and what became of it; times are microseconds since the epoch."""

    at_us: int
    method: str
    url: str
    resource: str
    status: int | None
    error: str
    request_bytes: int
    response_bytes: int
    duration_ms: int


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the current tab as it changed: a JPEG, and when it was taken."""

    at_us: int
    jpeg: bytes


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A JPEG file, and for how long a film shows it."""

    path: Path
    shown_ms: int


class Browser(Protocol):
    """A browser that answers, until `ended` says otherwise. One caller at a time acts on it."""

    id: str
    version: str
    user_agent: str
    viewport: tuple[int, int]

    async def ended(self) -> Ending:
        """Wait for the end of the browser, however it comes; for any number of callers."""

    async def close(self) -> None:
        """Close it; nothing of it is left but its folder. May be repeated; never raises."""

    async def place(self) -> Place:
        """Where it is."""

    async def observe(self, *, actions_max: int, screenshot: bool, markdown: bool) -> Observation:
        """What can be done on the current page; raises PageRefused or BrowserFailed."""

    async def act(self, action: Action) -> Done:
        """Do it, within its time; raises only BrowserFailed."""

    async def scrape(self, wanted: ScrapeWanted) -> Scraped:
        """Read the current page; raises PageRefused or BrowserFailed."""

    async def screenshot(self, *, full_page: bool = False) -> bytes:
        """A JPEG of the current page; raises PageRefused or BrowserFailed."""

    async def cookies(self) -> list[dict[str, Any]]:
        """All cookies of the session, in the words of Playwright."""

    async def set_cookies(self, cookies: list[dict[str, Any]]) -> None:
        """Add or replace cookies; raises PageRefused for one that cannot be."""

    def frames(self) -> AsyncIterator[Frame]:
        """Pictures as the page changes, until the end; a slow reader misses some."""

    def exchanges(self, after: int = 0) -> tuple[Exchange, ...]:
        """What the browser asked the network for, in order, from that one on; a bounded number."""

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes sent and received so far."""

    @property
    def debugger(self) -> tuple[str, str]:
        """The websocket URL of the whole browser process, and the id of this one's context.

        Only the service reaches it, and passes on what belongs to that context.
        """


class Browsers(Protocol):
    """Makes browsers; what a service that ran before has left is swept when it is opened."""

    @property
    def warm_count(self) -> int:
        """How many browsers wait, warm."""

    async def check(self) -> None:
        """Return where browsers can be had; raises RuntimeUnavailable. Cheap after the first."""

    async def open(self) -> None:
        """Sweep what was left, and begin to keep a spare where that is wanted. Never raises."""

    async def start(self, wanted: Wanted) -> Browser:
        """A browser with one empty page; raises RuntimeUnavailable or BrowserFailed."""

    async def film(self, pictures: Sequence[Picture], into: Path) -> None:
        """Write an MP4 of the pictures, by the browser's own encoder, to a new file.

        Raises RuntimeUnavailable or BrowserFailed, and nothing is written then.
        """

    async def close(self) -> None:
        """End every browser; no process is left, also none that hangs."""
