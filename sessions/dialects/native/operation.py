"""What the OpenAPI document says of a route: the `doc` of each one in the table."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from projections.events.access import Scope
from sessions.dialects.native.wire import JSON
from sessions.web.surface import Handler, Route

Tag = Literal["sessions", "machines", "browsers", "work", "feeds", "log", "keys", "service"]

ETAG: Final = "ETag"
LOCATION: Final = "Location"
SESSION_POSITION: Final = "Session-Position"
CACHE_CONTROL: Final = "Cache-Control"
DISPOSITION: Final = "Content-Disposition"
NO_SNIFF: Final = "X-Content-Type-Options"
ACCEPT_RANGES: Final = "Accept-Ranges"
CONTENT_RANGE: Final = "Content-Range"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a request may carry beside its body."""

    name: str
    place: Literal["path", "query", "header"]
    schema: dict[str, Any]
    text: str
    required: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is no refusal; `content` is a type, or a schema, by media type."""

    status: int
    text: str
    content: dict[str, Any] = {}
    headers: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation takes and gives; `problems` are the codes of its refusals.

    `scope` is what the key must allow, None where no key is needed. `key_in_query` is for clients
    that cannot set headers. A `raw_body` is bytes of any type.
    """

    tag: Tag
    scope: Scope | None
    answers: tuple[Answer, ...]
    problems: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    raw_body: bool = False
    key_in_query: bool = False
    text: str = ""


def json_of(body: Any, text: str, *headers: str, status: int = 200) -> Answer:
    """An answer of JSON."""
    return Answer(status=status, text=text, content={JSON: body}, headers=headers)


def route(method: str, path: str, handler: Handler, name: str, doc: Operation) -> Route:
    """A route that the document describes."""
    return Route(method=method, path=path, handler=handler, name=name, doc=doc)
