"""The routes of InstaVM's API, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.instavm import sessions, wire
from sessions.web.surface import Route, Surface

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/sessions/session",
        handler=sessions.create,
        name="sessions.create",
        root=True,
    ),
    Route(
        method="GET",
        path="/v1/sessions/session/{id}",
        handler=sessions.info,
        name="sessions.info",
        root=True,
    ),
    Route(
        method="GET",
        path="/v1/sessions/status/{id}",
        handler=sessions.status,
        name="sessions.status",
        root=True,
    ),
)

SURFACE: Final = Surface(
    name="instavm", prefix="/instavm", routes=ROUTES, failure=wire.encode_failure
)
