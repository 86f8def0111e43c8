"""Handlers that tell of Galtea's API itself; they need no key."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.galtea.openapi import document
from sessions.web.answer import Answer
from sessions.web.surface import Handler, Route

PREFIX: Final = "/galtea"
# The command line asks here first, and goes where the link says (RFC 8631).
# It keeps what does not forbid it for a day, and a newer service has more to tell.
_FRESH: Final = {"Cache-Control": "no-store"}
_LINK: Final = f'<{PREFIX}/openapi.json>; rel="service-desc"'


async def entrance(_: web.Request) -> web.Response:
    """Where the OpenAPI document is."""
    body = msgspec.json.encode({"openapi": f"{PREFIX}/openapi.json"})
    return Answer(body, 200, {"Link": _LINK, **_FRESH})


def openapi(routes: tuple[Route, ...]) -> Handler:
    """The handler that answers the document of these routes."""
    body = msgspec.json.encode(document(routes, PREFIX))

    async def answer(_: web.Request) -> web.Response:
        return Answer(body, 200, _FRESH)

    return answer


def describing(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes that tell of `routes`."""
    return (
        Route(method="GET", path="/", handler=entrance, name="entrance"),
        Route(method="GET", path="/openapi.json", handler=openapi(routes), name="openapi"),
    )
