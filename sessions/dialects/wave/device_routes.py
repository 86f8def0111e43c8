"""The routes of WAVE's devices API, as data; `events` comes before a token of that name."""

from __future__ import annotations

from typing import Final

from sessions.dialects.wave import devices
from sessions.web.surface import Handler, Route


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=f"devices.{name}", root=True)


DEVICES: Final = (
    _route("POST", "/api/devices", devices.register, "register"),
    _route("GET", "/api/devices", devices.listing, "list"),
    _route("GET", "/api/devices/events", devices.all_events, "events_of_all"),
    _route("POST", "/api/devices/events", devices.post_to_all, "post_to_all"),
    _route("GET", "/api/devices/{token}", devices.get, "read"),
    _route("GET", "/api/devices/{token}/events", devices.events, "events"),
    _route("POST", "/api/devices/{token}/events", devices.post_event, "post_event"),
)
# Its path begins with its variable part, as those of `ANYTHING_ELSE`.
NO_DEVICES: Final = _route("*", "/{_rest:api/+devices(/.*)?}", devices.nothing_else, "none")
