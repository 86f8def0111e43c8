"""The pages under `/_wave/`: what a device under test and a second device are shown."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

from sessions.failure import Failure

FOLDER: Final = Path(__file__).with_name("pages")
INDEX: Final = "index.html"
TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
ICON: Final = "icon.svg"
# Whatever gets into a page, it runs no script but ours and talks to nobody but this service.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def page(request: web.Request) -> web.Response:
    """The file of this name, to anybody: a page holds nothing of any session (section 1.7)."""
    name = request.match_info["page"] or INDEX
    body = _files().get(name)
    # aiohttp takes HEAD where it takes GET; here there is none (section 1.1).
    if body is None or request.method == "HEAD":
        raise Failure(404, "no_such_route", "There is nothing at this path.")
    return _answer(name, body)


def icon() -> web.Response:
    """The icon of this service, for pages that name none of their own."""
    return _answer(ICON, _files()[ICON])


async def to_the_pages(_: web.Request) -> web.Response:
    """Sends who left out the last slash to the pages: their links are relative to it."""
    return web.Response(status=308, headers={"Location": "/_wave/", "Cache-Control": "no-cache"})


def _answer(name: str, body: bytes) -> web.Response:
    kind = TYPES[Path(name).suffix]
    return web.Response(body=body, headers=HEADERS, content_type=kind, charset="utf-8")


@functools.cache
def _files() -> Mapping[str, bytes]:
    """Every file by its path in the folder; a name that is not among them reads no file."""
    return {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }
