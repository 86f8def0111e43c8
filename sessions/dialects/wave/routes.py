"""The routes of the WAVE API, as data."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from sessions.dialects.wave import catalog, codes, control_pages, pages, sessions, wire
from sessions.dialects.wave.device_routes import DEVICES, NO_DEVICES
from sessions.dialects.wave.result_routes import REPORTS, RESULTS
from sessions.dialects.wave.session_routes import SESSIONS
from sessions.dialects.wave.test_routes import TESTS
from sessions.web.surface import Route, Surface

CATALOG: Final = tuple(
    Route(method="GET", path=f"/api/{path}", handler=handler, name=name, root=True)
    for path, handler, name in (
        ("status", catalog.status, "status"),
        ("tests", catalog.tests, "tests.all"),
        ("tests/apis", catalog.apis, "tests.apis"),
    )
)
ROUTES: Final = (
    *CATALOG,
    *SESSIONS,
    *DEVICES,
    *TESTS,
    *RESULTS,
)
# The names of files, so that nothing that looks like a call of the API is ever taken for a page.
PAGES: Final = (
    Route(method="GET", path="/qr", handler=codes.qr, name="qr"),
    Route(method="GET", path="", handler=pages.to_the_pages, name="pages"),
    Route(
        method="GET",
        path=r"/{page:(?:[a-z]+\.html|css/[a-z-]+\.css|lib/[a-z-]+\.js|icon\.svg)?}",
        handler=pages.page,
        name="pages",
    ),
    Route(
        method="GET",
        path=r"/dpctf/{page:(?:pause|finish)\.html}",
        handler=control_pages.page_of_type,
        name="pages",
    ),
)
# Not part of any document: the answer to all the rest. These paths begin with their variable part,
# because aiohttp tries the longest constant beginning first, and they come after the others.
ANYTHING_ELSE: Final = (
    NO_DEVICES,
    Route(
        method="*",
        path="/{_rest:api/+(?:sessions|tests|results|devices|status)(/.*)?}",
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
    routes=(*ROUTES, *map(with_empty_segments, ROUTES), *PAGES, *REPORTS, *ANYTHING_ELSE),
    failure=wire.refusal,
)
