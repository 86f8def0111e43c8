"""The routes of the WAVE API, as data."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from sessions.dialects.wave import sessions, wire
from sessions.web.surface import Route, Surface

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/sessions",
        handler=sessions.create,
        name="sessions.create",
        root=True,
    ),
    Route(
        method="GET",
        path="/api/sessions/{token}",
        handler=sessions.get,
        name="sessions.read",
        root=True,
    ),
    Route(
        method="GET",
        path="/api/sessions/{token}/status",
        handler=sessions.status,
        name="sessions.status",
        root=True,
    ),
)
# Not part of any document: the answer to all the rest. These paths begin with their variable part,
# because aiohttp tries the longest constant beginning first, and they come after the others.
ANYTHING_ELSE: Final = (
    Route(
        method="*",
        path="/{_rest:api/+sessions(/.*)?}",
        handler=sessions.anything_else,
        name="none",
        root=True,
    ),
    Route(method="*", path="/{_rest:.*}", handler=sessions.anything_else, name="none"),
)


def with_empty_segments(route: Route) -> Route:
    """The route as it is also written, with empty segments in its path (section 1.1).

    aiohttp wants a name for each variable part: `_0`, `_1` and so on take the slashes.
    """
    segments = route.path.split("/")[1:]
    inner = [f"{segment}{{_{n}:/+}}" for n, segment in enumerate(segments[:-1], 1)]
    path = "".join(["/{_0:/*}", *inner, segments[-1], f"{{_{len(segments)}:/*}}"])
    return replace(route, path=path)


SURFACE: Final = Surface(
    name="wave",
    prefix="/_wave",
    routes=(*ROUTES, *map(with_empty_segments, ROUTES), *ANYTHING_ELSE),
    failure=wire.refusal,
)
