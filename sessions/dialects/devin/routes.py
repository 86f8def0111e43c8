"""The routes of Devin's API v1, as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sessions.dialects.devin import attachments, secrets, sessions, shelves, wire
from sessions.web.surface import Handler, Route, Surface


def _root(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=name, root=True)


def _of_a_session() -> Iterator[Route]:
    # The singular is the first published path, which old clients still use (section 3).
    for path in ("/v1/sessions/{session_id}", "/v1/session/{session_id}"):
        yield _root("GET", path, sessions.get, "sessions.get")
        yield _root("DELETE", path, sessions.terminate, "sessions.terminate")
        yield _root("POST", f"{path}/message", sessions.message, "sessions.message")
        yield _root("PUT", f"{path}/tags", sessions.tags, "sessions.tags")


def _of_a_shelf(shelf: shelves.Shelf) -> Iterator[Route]:
    path, name = f"/v1/{shelf.path}", shelf.path
    one = f"{path}/{{id}}"
    yield _root("POST", path, shelves.entering(shelf), f"{name}.create")
    yield _root("GET", path, shelves.listing(shelf), f"{name}.list")
    yield _root("GET", one, shelves.reading(shelf), f"{name}.get")
    yield _root("PUT", one, shelves.changing(shelf), f"{name}.update")
    yield _root("DELETE", one, shelves.removing(shelf), f"{name}.delete")


ROUTES: Final = (
    _root("POST", "/v1/sessions", sessions.create, "sessions.create"),
    _root("GET", "/v1/sessions", sessions.list_, "sessions.list"),
    *_of_a_session(),
    # Where the `url` of a session leads.
    Route(method="GET", path="/sessions/{session_id}", handler=sessions.get, name="sessions.get"),
    _root("POST", "/v1/attachments", attachments.upload, "attachments.upload"),
    _root("GET", "/v1/attachments/{id}", attachments.find, "attachments.find"),
    _root("GET", "/v1/attachments/{id}/{name}", attachments.find, "attachments.find"),
    # Where an attachment's bytes are, for whoever was shown there.
    Route(
        method="GET",
        path=attachments.STORED,
        handler=attachments.download,
        name="attachments.download",
    ),
    _root("GET", "/v1/secrets", secrets.list_, "secrets.list"),
    _root("POST", "/v1/secrets", secrets.create, "secrets.create"),
    _root("DELETE", "/v1/secrets/{id}", secrets.delete, "secrets.delete"),
    *_of_a_shelf(shelves.KNOWLEDGE),
    *_of_a_shelf(shelves.PLAYBOOKS),
)

SURFACE: Final = Surface(
    name="devin", prefix=wire.PREFIX, routes=ROUTES, failure=wire.encode_failure
)
