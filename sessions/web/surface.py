"""A surface: the routes of one dialect as data, and how it says that something went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec
from aiohttp import web

from sessions.failure import Failure, Reply

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
EncodeFailure = Callable[[Failure], Reply]
"""A refusal in the words of the dialect."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `root` serves it without the prefix as well, as the original documents do.

    `doc` is what the OpenAPI document says of it.
    """

    method: str
    path: str
    handler: Handler
    name: str
    root: bool = False
    doc: Any = None


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """The routes of a dialect under its prefix."""

    name: str
    prefix: str
    routes: tuple[Route, ...]
    failure: EncodeFailure

    def paths(self) -> Iterable[tuple[Route, str]]:
        """Each route with its path under the prefix and, where it asks for it, at the root."""
        for route in self.routes:
            yield route, self.prefix + route.path
            if route.root and self.prefix:
                yield route, route.path
