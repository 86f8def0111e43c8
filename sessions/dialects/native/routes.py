"""The routes of the native API, as data; the OpenAPI document is made from the same."""

from __future__ import annotations

from typing import Final

from sessions.dialects.native import keys, sessions, views, vms, wire
from sessions.observe import routes as observe
from sessions.web import health
from sessions.web.surface import Route, Surface

ROUTES: Final = (
    Route(method="GET", path="/livez", handler=health.livez, name="livez"),
    Route(method="GET", path="/readyz", handler=health.readyz, name="readyz"),
    Route(method="GET", path="/metrics", handler=health.metrics, name="metrics"),
    Route(method="POST", path="/api/v1/sessions", handler=sessions.create, name="sessions.create"),
    Route(method="GET", path="/api/v1/sessions", handler=sessions.list_, name="sessions.list"),
    Route(method="GET", path="/api/v1/sessions/{id}", handler=sessions.get, name="sessions.get"),
    Route(
        method="PATCH", path="/api/v1/sessions/{id}", handler=sessions.patch, name="sessions.patch"
    ),
    Route(
        method="DELETE",
        path="/api/v1/sessions/{id}",
        handler=sessions.delete,
        name="sessions.delete",
    ),
    Route(
        method="POST",
        path="/api/v1/sessions/{id}/transitions",
        handler=sessions.transition,
        name="sessions.transition",
    ),
    Route(
        method="POST",
        path="/api/v1/sessions/{id}/extend",
        handler=sessions.extend,
        name="sessions.extend",
    ),
    Route(
        method="POST",
        path="/api/v1/sessions/{id}/messages",
        handler=sessions.add_message,
        name="sessions.messages.add",
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{id}/messages",
        handler=sessions.messages,
        name="sessions.messages",
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{id}/events",
        handler=sessions.events,
        name="sessions.events",
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{id}/vms",
        handler=vms.of_session,
        name="sessions.vms",
    ),
    Route(method="GET", path="/api/v1/vms", handler=vms.list_, name="vms.list"),
    Route(method="GET", path="/api/v1/vms/{id}", handler=vms.get, name="vms.get"),
    Route(method="GET", path="/api/v1/observe", handler=observe.observe, name="observe"),
    Route(method="GET", path="/api/v1/feed", handler=observe.feed, name="feed"),
    Route(method="POST", path="/api/v1/views/rebuild", handler=views.rebuild, name="views.rebuild"),
    Route(
        method="GET", path="/api/v1/views/rebuild", handler=views.progress, name="views.progress"
    ),
    Route(method="POST", path="/api/v1/keys", handler=keys.issue, name="keys.issue"),
    Route(method="GET", path="/api/v1/keys", handler=keys.list_, name="keys.list"),
    Route(method="DELETE", path="/api/v1/keys/{id}", handler=keys.revoke, name="keys.revoke"),
)

SURFACE: Final = Surface(name="native", prefix="", routes=ROUTES, failure=wire.problem)
