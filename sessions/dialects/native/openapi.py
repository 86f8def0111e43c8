"""The OpenAPI 3.1 document of the native API, made from its routes and Structs; pure."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sessions.dialects.native import schemas
from sessions.dialects.native.operation import Answer, Operation, Parameter
from sessions.dialects.native.problems import CODES
from sessions.dialects.native.wire import JSON, PROBLEM
from sessions.version import NAME, version
from sessions.web.surface import Route

Json = dict[str, Any]

_REQUEST_ID: Final = "X-Request-Id"
_TEXT: Final = (
    "One API for all kinds of sessions. Every change is one commit in an append-only log; its "
    "position is the revision of what it changed, and the cursor of every feed. Refusals are "
    "problems (RFC 9457) with a stable `code`. Every answer but an open feed carries "
    f"`{_REQUEST_ID}`: the caller's, if it sent one of 1 to 128 visible characters."
)
_TAGS: Final = {
    "sessions": "What all kinds of sessions have in common.",
    "machines": "The virtual machines of sessions.",
    "browsers": "The browsers of sessions.",
    "work": "For the programs that do the work of sessions.",
    "feeds": "What happens, as it happens: websocket, server-sent events, long poll.",
    "log": "The log as a whole: what proves that nothing in it was changed.",
    "keys": "Who may come in; for admins.",
    "service": "The service itself.",
}
_BEARER: Final = "bearer"
_HEADER_KEY: Final = "api_key"
_QUERY_KEY: Final = "api_key_in_query"
_SECURITY_SCHEMES: Final[Json] = {
    _BEARER: {"type": "http", "scheme": "bearer", "description": "A key."},
    _HEADER_KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key."},
    _QUERY_KEY: {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "A key, for browsers, which cannot set the headers of a websocket.",
    },
}


def _header(text: str, pattern: str | None = None, *, always: bool = True) -> Json:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"description": text, "required": always, "schema": schema}


_HEADERS: Final[Json] = {
    _REQUEST_ID: _header("The id by which the log of the service knows the request.", always=False),
    "ETag": _header("The revision; send it back in `If-Match`.", '^"[0-9]+"$'),
    "Location": _header("Where to find what was made.", "^/"),
    "Session-Position": _header("The position that the answer shows.", "^[0-9]+$"),
    "Cache-Control": _header("Nobody is to keep this answer.", "^no-store$", always=False),
    "Content-Disposition": _header("That it is a file, and its name.", "^attachment; "),
    "X-Content-Type-Options": _header("No browser is to guess what it is.", "^nosniff$"),
    "Accept-Ranges": _header("A part of it can be asked for.", "^bytes$"),
    "Content-Range": _header("Which part it is, and of how many bytes.", "^bytes [0-9*-]+/[0-9]+$"),
    "WWW-Authenticate": _header("How to show a key.", "^Bearer "),
    "Retry-After": _header("Seconds after which to try again.", "^[0-9]+$", always=False),
    "Upgrade": _header("What the path speaks.", "^websocket$"),
}
_PROBLEM_HEADERS: Final[dict[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    426: ("Upgrade",),
    503: ("Retry-After",),
}


def document(routes: Iterable[Route]) -> Json:
    """The document of `routes`, each of which has an Operation as its `doc`."""
    described = [(route, _doc(route)) for route in routes]
    found, named = schemas.components(_types(described))
    by_type = dict(zip(_types(described), found, strict=True))
    paths: dict[str, Json] = {}
    for route, doc in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, doc, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": NAME, "version": version(), "description": _TEXT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": named,
            "responses": _problem_responses(described),
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _doc(route: Route) -> Operation:
    assert isinstance(route.doc, Operation), f"{route.name} has no doc"
    assert route.handler.__doc__, f"{route.name} says nothing of itself"
    return route.doc


def _types(described: list[tuple[Route, Operation]]) -> list[Any]:
    """Every type that a body or an answer has, once."""
    found: dict[Any, None] = {}
    for _, doc in described:
        if doc.body is not None:
            found[doc.body] = None
        for answer in doc.answers:
            found.update({c: None for c in answer.content.values() if not isinstance(c, dict)})
    return list(found)


def _operation(route: Route, doc: Operation, by_type: dict[Any, Json]) -> Json:
    summary, _, rest = (inspect.getdoc(route.handler) or "").partition("\n\n")
    needs = "" if doc.scope is None else f"Needs a key with the scope `{doc.scope}`."
    text = "\n\n".join(filter(None, (rest, doc.text, needs)))
    responses = {str(a.status): _response(a, by_type) for a in doc.answers}
    for key, status, _ in _problems(doc):
        responses[str(status)] = {"$ref": f"#/components/responses/{key}"}
    operation: Json = {
        "operationId": route.name,
        "summary": summary.replace("\n", " "),
        "description": text,
        "tags": [doc.tag],
        "security": _security(doc),
        "parameters": [_parameter(parameter) for parameter in doc.parameters],
        "responses": dict(sorted(responses.items())),
    }
    if doc.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": by_type[doc.body]}},
        }
    if doc.raw_body:
        operation["requestBody"] = {"required": False, "content": {"*/*": {}}}
    return {name: value for name, value in operation.items() if value or name == "security"}


def _security(doc: Operation) -> list[Json]:
    if doc.scope is None:
        return []
    schemes = [_BEARER, _HEADER_KEY, *([_QUERY_KEY] if doc.key_in_query else [])]
    return [{scheme: [doc.scope]} for scheme in schemes]


def _response(answer: Answer, by_type: dict[Any, Json]) -> Json:
    response: Json = {
        "description": answer.text,
        "headers": _header_refs(*answer.headers),
        "content": {
            media: {"schema": content if isinstance(content, dict) else by_type[content]}
            for media, content in answer.content.items()
        },
    }
    return response if answer.content else {k: v for k, v in response.items() if k != "content"}


def _header_refs(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (_REQUEST_ID, *names)}


def _problems(doc: Operation) -> Iterator[tuple[str, int, list[str]]]:
    """For each status of a refusal: the name of its response, the status, and the codes."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(doc.problems):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        yield "-or-".join(sorted(codes)), status, sorted(codes)


def _problem_responses(described: list[tuple[Route, Operation]]) -> Json:
    found = {key: (status, codes) for _, doc in described for key, status, codes in _problems(doc)}
    return {key: _problem_response(status, codes) for key, (status, codes) in sorted(found.items())}


def _problem_response(status: int, codes: list[str]) -> Json:
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    schema = {"allOf": [{"$ref": schemas.REF.format(name="Problem")}, narrowed]}
    return {
        "description": "\n".join(f"- `{code}`: {CODES[code].text}" for code in codes),
        "headers": _header_refs(*_PROBLEM_HEADERS.get(status, ())),
        "content": {PROBLEM: {"schema": schema}},
    }


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "required": parameter.required or parameter.place == "path",
        "schema": parameter.schema,
    }
