"""The files of the folder of tests, found by URL; nothing outside the folder, nothing hidden."""

from __future__ import annotations

import mimetypes
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from sessions.testset.listing import CONTROL, RESERVED
from sessions.testset.scripts import generated, script_behind

REPORT: Final = "/resources/testharnessreport.js"
REPORT_FILE: Final = Path(__file__).with_name("testharnessreport.js")
SCRIPT_BYTES_MAX: Final = 4 << 20
HEADERS_BYTES_MAX: Final = 64 << 10
SCRIPT_TYPE: Final = "text/javascript"
PAGE_TYPE: Final = "text/html"

_TYPES: Final = {
    ".htm": PAGE_TYPE,
    ".html": PAGE_TYPE,
    ".js": SCRIPT_TYPE,
    ".mjs": SCRIPT_TYPE,
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".xht": "application/xhtml+xml",
    ".xhtml": "application/xhtml+xml",
    ".xml": "text/xml",
    ".m4s": "video/mp4",
    ".mpd": "application/dash+xml",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ttf": "font/ttf",
    ".vtt": "text/vtt",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
# Without the files of this machine: a test must see the same type everywhere.
_OTHER_TYPES: Final = mimetypes.MimeTypes()
_NOT_PLAIN: Final = re.compile(rb"%(?:2f|5c|00)|\\", re.IGNORECASE)
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\xa0-\xff\t]*)")
# The server frames its answers itself.
_OURS: Final = frozenset(
    {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"}
)


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What is at a URL: a file, or a text that is made for it."""

    content_type: str
    file: Path | None = None
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def find(folder: Path, raw_path: str) -> Served | None:
    """What the folder has at a path as it came in a request; None where nothing is to be had.

    Parts that begin with a dot, escaped slashes, backslashes and links out of the folder count as
    nothing; a folder itself is nothing.
    """
    path = _plain(raw_path)
    if path is None:
        return None
    if path == REPORT:
        return Served(content_type=SCRIPT_TYPE, file=REPORT_FILE)
    file = _inside(folder, path)
    if file is not None:
        return Served(content_type=_type(path), file=file, headers=_headers(folder, path))
    source = script_behind(path)
    script = _inside(folder, source) if source else None
    if script is None:
        return None
    kind = SCRIPT_TYPE if path.endswith(".js") else PAGE_TYPE
    text = generated(path, _text(script, SCRIPT_BYTES_MAX))
    return Served(content_type=kind, text=text, headers=_headers(folder, path))


def _plain(raw_path: str) -> str | None:
    """The path with its escapes undone, if it says nothing but names."""
    raw = raw_path.encode("utf-8", "surrogatepass")
    if _NOT_PLAIN.search(raw):
        return None
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    first, *names = path.split("/")
    if first or not names or names[0] in RESERVED or CONTROL.search(path):
        return None
    if any(not name or name[0] == "." for name in names):
        return None
    return path


def _inside(folder: Path, path: str) -> Path | None:
    """The file itself, where links are followed; None for what is no file or lies outside."""
    try:
        file = (folder / path[1:]).resolve(strict=True)
        return file if file.is_relative_to(folder) and file.is_file() else None
    except (OSError, RuntimeError, ValueError):  # absent, barred, too long, or links in a circle
        return None


def _type(path: str) -> str:
    end = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a URL, not a path of this machine
    return _TYPES.get(end) or _OTHER_TYPES.guess_type(f"file{end}")[0] or "application/octet-stream"


def _headers(folder: Path, path: str) -> tuple[tuple[str, str], ...]:
    """What the folder says beside a file: `__dir__.headers` for all, `<name>.headers` for one."""
    where, _, name = path.rpartition("/")
    lines: list[str] = []
    for beside in ("__dir__", name):
        found = _inside(folder, f"{where}/{beside}.headers")
        lines += _text(found, HEADERS_BYTES_MAX).splitlines() if found else []
    parsed = (_HEADER.fullmatch(line) for line in lines)
    return tuple((each[1], each[2].rstrip()) for each in parsed if each and not _ours(each[1]))


def _ours(name: str) -> bool:
    return name.lower() in _OURS


def _text(file: Path, bytes_max: int) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(bytes_max).decode("utf-8", "replace")
    except OSError:
        return ""
