"""The tests of a folder as data: what a URL may look like, and what was left out and why."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import msgspec

URL_CHARS_MAX: Final = 1024
MANUAL: Final = "manual"
# What begins with these is the service's own, whatever the folder has there.
RESERVED: Final = frozenset({"api", "_wave"})

# The source of a generated page, by the end of its URL; the longer ends come first.
GENERATED: Final = {
    ".any.sharedworker.html": ".any.js",
    ".any.serviceworker.html": ".any.js",
    ".any.worker.html": ".any.js",
    ".any.html": ".any.js",
    ".window.html": ".window.js",
    ".worker.html": ".worker.js",
}
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_VARIANT_SAFE: Final = "/!$'()*+,;=:@~&%"
_FORBIDDEN: Final = {"\\": "it has a backslash", "#": "it has a fragment"}


class TestSetError(Exception):
    """There is no set of tests to be had from this folder; the one sentence says why."""


class Entry(msgspec.Struct, frozen=True):
    """A test as it was found: its URL, with its variant, and the file it is made of."""

    url: str
    source: str
    manual: bool


class Skipped(msgspec.Struct, frozen=True):
    """What was found and cannot be a test here."""

    url: str
    reason: str


class Listing(msgspec.Struct, frozen=True):
    """What a manifest or a folder holds."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...]


def listing(found: Iterable[Entry | Skipped]) -> Listing:
    """The usable entries, each URL once, and the rest with the reason."""
    entries: dict[str, Entry] = {}
    skipped: list[Skipped] = []
    for each in found:
        reason = each.reason if isinstance(each, Skipped) else _refused(each.url)
        if reason:
            shown = each.url[:URL_CHARS_MAX].encode("utf-8", "replace").decode()
            skipped.append(Skipped(shown, reason))
        elif isinstance(each, Entry):
            url = _as_browsers_say_it(each.url)
            known = entries.get(url)
            manual = each.manual or MANUAL in url or (known is not None and known.manual)
            entries[url] = Entry(url, each.source, manual)
    return Listing(tuple(entries.values()), tuple(skipped))


def source_of(path: str) -> str | None:
    """The script that the generated page at `path` runs; None for a path of no such page."""
    for end, source in GENERATED.items():
        if path.endswith(end):
            return path.removesuffix(end) + source
    return None


def _as_browsers_say_it(url: str) -> str:
    """The URL with its variant escaped, since that is what a page reads in its address."""
    path, mark, variant = url.partition("?")
    return path + mark + quote(variant, safe=_VARIANT_SAFE)


def _refused(url: str) -> str:
    """Why `url` cannot be the URL of a test, or nothing."""
    if len(url) > URL_CHARS_MAX:
        return f"it is longer than {URL_CHARS_MAX} characters"
    if CONTROL.search(url):
        return "it has a control character"
    for character, reason in _FORBIDDEN.items():
        if character in url:
            return reason
    segments = url.partition("?")[0].split("/")
    if segments[0] or len(segments) < 3:
        return "it is in no folder, and the first folder names the API"
    if segments[1] in RESERVED:
        return f"/{segments[1]} is the service's own"
    if any(segment in ("", ".", "..") for segment in segments[1:]):
        return "it is no plain path"
    return ""
