"""The routes of Notte's API, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.notte import sessions, wire
from sessions.web.surface import Route, Surface

ROUTES: Final = (
    Route(
        method="POST",
        path="/session/start",
        handler=sessions.start,
        name="session.start",
        root=True,
    ),
    Route(method="GET", path="/sessions/{id}", handler=sessions.status, name="sessions.status"),
)

SURFACE: Final = Surface(name="notte", prefix="/notte", routes=ROUTES, failure=wire.encode_failure)
