"""The routes of WAVE's sessions API, as data (section 1.2)."""

from __future__ import annotations

from typing import Final

from sessions.dialects.wave import changes, control, events, listing, sessions
from sessions.web.surface import Handler, Route


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=f"/api/sessions{path}", handler=handler, name=name, root=True)


SESSIONS: Final = (
    _route("POST", "", sessions.create, "sessions.create"),
    _route("GET", "", listing.list_, "sessions.list"),
    _route("GET", "/public", listing.public, "sessions.public"),
    _route("GET", "/{token}", sessions.get, "sessions.read"),
    _route("PUT", "/{token}", changes.update, "sessions.update"),
    _route("DELETE", "/{token}", changes.delete, "sessions.delete"),
    _route("GET", "/{token}/status", sessions.status, "sessions.status"),
    _route("POST", "/{token}/start", control.start, "sessions.start"),
    _route("POST", "/{token}/pause", control.pause, "sessions.pause"),
    _route("POST", "/{token}/stop", control.stop, "sessions.stop"),
    _route("POST", "/{token}/resume", control.resume, "sessions.resume"),
    _route("GET", "/{token}/labels", changes.labels, "sessions.labels"),
    _route("PUT", "/{token}/labels", changes.relabel, "sessions.relabel"),
    _route("GET", "/{token}/events", events.poll, "sessions.poll"),
    _route("POST", "/{token}/events", events.post, "sessions.post"),
)
