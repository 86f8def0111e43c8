"""The routes of Notte's API, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.notte import early, files, not_offered, sessions, wire
from sessions.dialects.notte.debug_routes import DEBUG_ROUTES
from sessions.dialects.notte.page_routes import PAGE_ROUTES
from sessions.web.surface import Handler, Route, Surface


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=name)


# At the root too, as the original document has them.
_EARLY: Final = tuple(
    Route(method="POST", path=path, handler=handler, name=name, root=True)
    for path, handler, name in (
        ("/session/start", early.start, "session.start"),
        ("/session/close", early.close, "session.close"),
        ("/env/observe", early.observe, "env.observe"),
        ("/env/scrape", early.scrape, "env.scrape"),
        ("/env/step", early.step, "env.step"),
    )
)
_SESSIONS: Final = (
    _route("GET", "/health", sessions.health, "health"),
    # A client whose base address ends with a slash puts another one after it (section 3.1).
    _route("GET", "//health", sessions.health, "health"),
    _route("POST", "/sessions/start", sessions.start, "sessions.start"),
    _route("GET", "/sessions", sessions.list_, "sessions.list"),
    _route("GET", "/sessions/", sessions.list_, "sessions.list"),
    _route("GET", "/sessions/{id}", sessions.status, "sessions.status"),
    _route("DELETE", "/sessions/{id}/stop", sessions.stop, "sessions.stop"),
    # What stop was called before clients 1.5 (section 1).
    _route("DELETE", "/sessions/{id}/close", sessions.stop, "sessions.stop"),
    _route("GET", "/sessions/{id}/auth", sessions.auth, "sessions.auth"),
    _route("GET", "/sessions/{id}/offset", sessions.offset, "sessions.offset"),
    _route("POST", "/sessions/{id}/files", files.upload, "files.upload"),
    _route("GET", "/sessions/{id}/files", files.list_, "files.list"),
    _route("GET", "/sessions/{id}/files/{file}", files.download, "files.download"),
    _route("DELETE", "/sessions/{id}/files/{file}", files.delete, "files.delete"),
)

ROUTES: Final = (*_EARLY, *_SESSIONS, *PAGE_ROUTES, *DEBUG_ROUTES, *not_offered.ROUTES)

SURFACE: Final = Surface(name="notte", prefix="/notte", routes=ROUTES, failure=wire.encode_failure)
