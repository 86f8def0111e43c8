"""The tests of a folder without a manifest: found by their names and by what they include."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sessions.testset.listing import MANUAL, Entry, Listing, Skipped, TestSetError, listing
from sessions.testset.scripts import urls_of

FILES_MAX: Final = 1_000_000
BYTES_READ_MAX: Final = 1 << 20
PAGES: Final = (".html", ".htm", ".xhtml", ".xht", ".svg", ".xml")
SCRIPTS: Final = (".any.js", ".window.js", ".worker.js")
NO_TESTS_IN: Final = frozenset(
    {"resources", "reference", "references", "support", "tools", "crashtests", "node_modules"}
)
_NO_TESTS_AT_THE_ROOT: Final = frozenset({"common", "docs", "fonts", "images", "media"})
_NO_TEST: Final = re.compile(
    r"(?:^|[-_.])(?:not)?ref\d*(?:[-_]|$)|-(?:support|visual|crash|print)$"
)
_HARNESS: Final = re.compile(rb"""(?:src|href)\s*=\s*["']?[^"'>\s]*\btestharness\.js""")
_VARIANT: Final = re.compile(
    rb"""<(?:\w+:)?meta\s+name=["']?variant["']?\s+content=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE
)


def discover(folder: Path) -> Listing:
    """Every test below `folder`; raises TestSetError if it holds too many files to look at."""
    return listing(_found(folder))


def _found(folder: Path) -> Iterator[Entry | Skipped]:
    for seen, path in enumerate(_files(folder), 1):
        if seen > FILES_MAX:
            raise TestSetError(f"it holds more than {FILES_MAX:,} files")
        yield from _tests_of(folder, path)


def _files(folder: Path) -> Iterator[str]:
    """The files below `folder` by their path from there, in one order everywhere."""
    for where, folders, names in os.walk(folder):
        at = Path(where)
        barred = NO_TESTS_IN | (_NO_TESTS_AT_THE_ROOT if at == folder else frozenset())
        folders[:] = sorted(each for each in folders if each not in barred and each[0] != ".")
        inside = where[len(str(folder)) :].replace(os.sep, "/")
        for name in sorted(names):
            if name.endswith((*PAGES, *SCRIPTS)):
                yield f"{inside}/{name}"


def _tests_of(folder: Path, path: str) -> Iterator[Entry | Skipped]:
    name = path.rpartition("/")[2]
    stem = name.partition(".")[0]
    if _NO_TEST.search(stem) or name[0] == ".":
        return
    file = folder / path[1:]
    manual = stem.endswith(f"-{MANUAL}")
    try:
        # What is no file, such as a pipe, would keep whoever opens it waiting.
        raw = _beginning(file) if file.is_file() else b""
    except OSError as error:
        yield Skipped(path, f"it cannot be read: {error.strerror}")
        return
    if "?" in path:
        yield Skipped(path, "its name has a question mark")
    elif name.endswith(SCRIPTS):
        for url in urls_of(path, raw.decode("utf-8", "replace")):
            yield Entry(url, path, manual)
    elif manual or _HARNESS.search(raw):
        for variant in _variants(raw):
            yield Entry(path + variant, path, manual)


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(BYTES_READ_MAX)


def _variants(raw: bytes) -> list[str]:
    found = [one or other for one, other in _VARIANT.findall(raw)]
    return [html.unescape(each.decode("utf-8", "replace")) for each in found] or [""]
