"""The routes of Devin's API, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.devin import sessions, wire
from sessions.web.surface import Route, Surface


def _get(path: str, *, root: bool) -> Route:
    return Route(method="GET", path=path, handler=sessions.get, name="sessions.get", root=root)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/sessions",
        handler=sessions.create,
        name="sessions.create",
        root=True,
    ),
    _get("/v1/sessions/{session_id}", root=True),
    # The first published path, which old clients still use (contract section 3).
    _get("/v1/session/{session_id}", root=True),
    # Where the `url` of a session leads.
    _get("/sessions/{session_id}", root=False),
)

SURFACE: Final = Surface(name="devin", prefix="/devin", routes=ROUTES, failure=wire.encode_failure)
