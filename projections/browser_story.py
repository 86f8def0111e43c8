"""Browsers and what was done in them, in words: one sentence for each fact; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
from projections.telling import Known, why
from projections.wording import HIDDEN, duration, items, pairs, plain, quoted

_MS_US: Final = 1_000
URL_CHARS: Final = 200
HASH_CHARS: Final = 12


def _requested(fact: BrowserRequested, _: Known) -> str:
    words = "browser requested"
    if fact.viewport_width is not None and fact.viewport_height is not None:
        words += f", {fact.viewport_width}x{fact.viewport_height}"
    if fact.user_agent is not None:
        words += f", as {quoted(fact.user_agent)}"
    if fact.headers:
        words += f"; headers {items(fact.headers)}"
    words += ", through a proxy" if fact.proxied else ""
    return words if fact.record else f"{words}, not filmed"


def _opened(fact: BrowserOpened, _: Known) -> str:
    words = f"browser {quoted(fact.version, 64)} opened" if fact.version else "browser opened"
    if fact.viewport_width:
        words += f", {fact.viewport_width}x{fact.viewport_height}"
    return f"{words}, after {duration(fact.open_ms * _MS_US)}"


def _observed(fact: BrowserObserved, _: Known) -> str:
    words = f"looked at {_page(fact.url, fact.title)}: {_count(fact.actions, 'action')}"
    words += f", {plain(fact.category, 40)}" if fact.category else ""
    return words + _picture(fact.screenshot)


def _acted(fact: BrowserActed, _: Known) -> str:
    shown = {**fact.action, **dict.fromkeys(fact.hidden, HIDDEN)}
    words = f"did {plain(fact.type, 40)}"
    words += f" on {quoted(fact.label, 80)}" if fact.label else ""
    words += f" ({pairs(shown)})" if shown else ""
    if fact.url:
        words += f", now at {_page(fact.url, fact.title)}"
    words += f"; files {items(_short(sha256) for sha256 in fact.files)}" if fact.files else ""
    if fact.success:
        return words
    return f"{words}; failed: {why(plain(fact.error_type, 64) or 'unknown', fact.message)}"


def _scraped(fact: BrowserScraped, _: Known) -> str:
    words = f"read {_page(fact.url, fact.title)}: {_count(fact.chars, 'character')}"
    return words + (f", {_count(fact.images, 'image')}" if fact.images else "")


def _pictured(fact: BrowserPictured, _: Known) -> str:
    whole = "the whole of " if fact.full_page else ""
    return f"pictured {whole}{_page(fact.url, '')}{_picture(fact.screenshot)}"


def _cookies_set(fact: BrowserCookiesSet, _: Known) -> str:
    domains = f" for {items(fact.domains)}" if fact.domains else ""
    return f"{_count(fact.count, 'cookie')} set{domains}: {HIDDEN}"


def _file_added(fact: BrowserFileAdded, _: Known) -> str:
    how = "uploaded" if fact.source == "user_upload" else "downloaded"
    words = f"file {quoted(fact.name)} {how}: {fact.size} bytes of {plain(fact.media_type, 80)}"
    return f"{words}, {_short(fact.sha256)}"


def _recorded(fact: BrowserRecorded, _: Known) -> str:
    words = f"film kept: {_count(fact.frames, 'frame')} in {duration(fact.duration_ms * _MS_US)}, "
    return f"{words}{fact.size} bytes of {plain(fact.media_type, 80)}, {_short(fact.sha256)}"


def _detached(fact: BrowserDetached, _: Known) -> str:
    after = duration(fact.duration_ms * _MS_US)
    return f"the debugger left after {after}: {_count(fact.calls, 'call')}"


def _closed(fact: BrowserClosed, _: Known) -> str:
    words = f"browser closed: {why(fact.reason, fact.detail)}"
    if fact.requests:
        words += f"; {_count(fact.requests, 'request')}"
        words += f", {fact.request_bytes} bytes sent, {fact.response_bytes} received"
    return words + (f", log {_short(fact.network)}" if fact.network else "")


def _page(url: str, title: str) -> str:
    words = quoted(url, URL_CHARS)
    return f"{words} {quoted(title, 80)}" if title else words


def _picture(sha256: str) -> str:
    return f", screenshot {_short(sha256)}" if sha256 else ""


def _short(sha256: str) -> str:
    return plain(sha256[:HASH_CHARS])


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


BROWSER_SENTENCES: Final[dict[type, Callable[[Any, Known], str]]] = {
    BrowserRequested: _requested,
    BrowserOpened: _opened,
    BrowserObserved: _observed,
    BrowserActed: _acted,
    BrowserScraped: _scraped,
    BrowserPictured: _pictured,
    BrowserCookiesSet: _cookies_set,
    BrowserFileAdded: _file_added,
    BrowserFileRemoved: lambda fact, _: f"file {quoted(fact.id, 64)} taken out of the list",
    BrowserRecorded: _recorded,
    BrowserAttached: lambda *_: "a debugger steers the browser from here on, step by step untold",
    BrowserDetached: _detached,
    BrowserClosed: _closed,
}
