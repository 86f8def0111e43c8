"""MANIFEST.json of web platform tests, version 8, as a list of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sessions.testset.listing import (
    MANUAL,
    Entry,
    Listing,
    Skipped,
    TestSetError,
    listing,
    source_of,
)

VERSION: Final = 8
TYPES: Final = ("testharness", MANUAL)


class _Manifest(msgspec.Struct):
    version: int
    items: dict[str, Any]
    url_base: str = "/"


def parse(raw: bytes) -> Listing:
    """Every URL of every test in a manifest; raises TestSetError (contract section 3.1)."""
    try:
        manifest = msgspec.json.decode(raw, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TestSetError(f"it is no manifest: {error}") from None
    if manifest.version != VERSION:
        version = manifest.version
        raise TestSetError(f"it has version {version}, and only version {VERSION} is read")
    if manifest.url_base != "/":
        raise TestSetError(f"its tests are at {manifest.url_base!r}, and only / is served")
    return listing(_entries(manifest.items))


def _entries(items: dict[str, Any]) -> Iterator[Entry | Skipped]:
    for kind in TYPES:
        tree = items.get(kind, {})
        if not isinstance(tree, dict):
            raise TestSetError(f"its list of {kind} tests is no tree of folders")
        for path, leaf in _leaves(tree):
            yield from _variants(path, leaf, kind == MANUAL)


def _leaves(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The files of a tree of folders, in its order and however deep it is."""
    open_folders = [("", iter(tree.items()))]
    while open_folders:
        folder, rest = open_folders[-1]
        name, node = next(rest, (None, None))
        if name is None:
            open_folders.pop()
        elif isinstance(node, dict):
            open_folders.append((f"{folder}/{name}", iter(node.items())))
        else:
            yield f"{folder}/{name}", node


def _variants(path: str, leaf: Any, manual: bool) -> Iterator[Entry | Skipped]:
    """What a file says of itself: its hash, then one item per URL; null is the file's own path."""
    items = leaf[1:] if isinstance(leaf, list) else []
    if not items:
        yield Skipped(path, "it has no item")
    for item in items:
        match item:
            case [None, *extras]:
                yield _entry(path, path, extras, manual)
            case [str(url), *extras]:
                yield _entry(path, "/" + url.removeprefix("/"), extras, manual)
            case _:
                yield Skipped(path, "its item is no URL")


def _entry(path: str, url: str, extras: list[Any], manual: bool) -> Entry | Skipped:
    if extras and isinstance(extras[0], dict) and extras[0].get("jsshell"):
        return Skipped(url, "it runs in a JavaScript shell")
    page = url.partition("?")[0]
    if page != path and source_of(page) != path:
        return Skipped(url, "its page is not generated here")
    return Entry(url, path, manual)
