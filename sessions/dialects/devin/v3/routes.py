"""The routes of Devin's API v3, as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sessions.dialects.devin import shelves as v1
from sessions.dialects.devin.v3 import attachments, messages, not_offered, sessions, shelves, wire
from sessions.dialects.devin.v3.not_offered import ORGANISATION
from sessions.dialects.devin.wire import PREFIX
from sessions.web.surface import Handler, Route, Surface

SESSIONS: Final = f"{ORGANISATION}/sessions"
FILES: Final = f"{ORGANISATION}/attachments"
SECRETS: Final = f"{ORGANISATION}/secrets"


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=name, root=True)


def _of_sessions() -> Iterator[Route]:
    one = f"{SESSIONS}/{{session_id}}"
    yield _route("POST", SESSIONS, sessions.create, "sessions.create")
    yield _route("GET", SESSIONS, sessions.list_, "sessions.list")
    # Before the path of one session, which would take the word for an id.
    yield _route("GET", f"{SESSIONS}/insights", not_offered.refusing("insights"), "none")
    yield _route("GET", one, sessions.get, "sessions.get")
    yield _route("DELETE", one, sessions.terminate, "sessions.terminate")
    # A client ends sessions so, which no document has.
    yield _route("POST", f"{one}/terminate", sessions.terminate, "sessions.terminate")
    yield _route("POST", f"{one}/archive", sessions.archive, "sessions.archive")
    yield _route("GET", f"{one}/tags", sessions.tags, "sessions.tags")
    yield _route("POST", f"{one}/tags", sessions.append_tags, "sessions.tags.append")
    yield _route("PUT", f"{one}/tags", sessions.replace_tags, "sessions.tags.replace")
    yield _route("GET", f"{one}/messages", messages.list_, "messages.list")
    yield _route("POST", f"{one}/messages", messages.send, "messages.send")
    yield _route("GET", f"{one}/attachments", attachments.of_session, "sessions.attachments")


def _of_a_shelf(shelf: v1.Shelf) -> Iterator[Route]:
    path = f"{ORGANISATION}/{shelf.path}"
    one, name = f"{path}/{{id}}", shelf.path.replace("/", ".")
    yield _route("POST", path, v1.entering(shelf), f"{name}.create")
    yield _route("GET", path, shelves.listing(shelf), f"{name}.list")
    yield _route("GET", one, v1.reading(shelf), f"{name}.get")
    yield _route("PUT", one, v1.changing(shelf), f"{name}.update")
    yield _route("DELETE", one, shelves.removing(shelf), f"{name}.delete")


ROUTES: Final = (
    _route("GET", "/v3/self", sessions.self_, "self"),
    *_of_sessions(),
    _route("POST", FILES, attachments.upload, "attachments.upload"),
    _route("GET", f"{FILES}/{{id}}", attachments.find, "attachments.find"),
    _route("GET", f"{FILES}/{{id}}/{{name}}", attachments.find, "attachments.find"),
    _route("POST", SECRETS, shelves.secrets_create, "secrets.create"),
    _route("GET", SECRETS, shelves.secrets_list, "secrets.list"),
    _route("DELETE", f"{SECRETS}/{{id}}", shelves.secrets_delete, "secrets.delete"),
    _route("GET", f"{ORGANISATION}/knowledge/folders", shelves.folders, "knowledge.folders"),
    *_of_a_shelf(shelves.NOTES),
    *_of_a_shelf(shelves.PLAYBOOKS),
    *not_offered.ROUTES,
)

SURFACE: Final = Surface(name="devin_v3", prefix=PREFIX, routes=ROUTES, failure=wire.encode_failure)
