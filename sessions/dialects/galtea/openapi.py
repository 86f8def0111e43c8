"""The OpenAPI document of Galtea's API, from which its command line makes its commands; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sessions.dialects.galtea.operations import OPERATIONS, Operation
from sessions.dialects.galtea.wire import Error
from sessions.version import version
from sessions.web.surface import Route

Json = dict[str, Any]
_REF: Final = "#/components/schemas/{name}"
_VERBS: Final = {"change": "update"}
_CAPITAL: Final = re.compile("[A-Z]")
_PART: Final = ("sort", "offset", "limit")


def document(routes: Iterable[Route], prefix: str) -> Json:
    """The document of those routes that are described; the others are not for a command line."""
    described = [(route, OPERATIONS[route.name]) for route in routes if route.name in OPERATIONS]
    types = _types(operation for _, operation in described)
    found, named = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(map(repr, types), found, strict=True))
    paths: dict[str, Json] = {}
    for route, operation in described:
        shown = _operation(route, operation, schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = shown
    tags = dict.fromkeys(_tag(route) for route, _ in described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Galtea API", "version": version()},
        "servers": [{"url": prefix}],
        "tags": [{"name": tag} for tag in tags],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": named,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _types(operations: Iterable[Operation]) -> list[Any]:
    """Every type of a body or an answer, once."""
    found: dict[str, Any] = {repr(Error): Error}
    for operation in operations:
        for type_ in (operation.body, operation.answer):
            if type_ is not None:
                found[repr(type_)] = type_
    return list(found.values())


def _tag(route: Route) -> str:
    """What the command line calls the thing: `inference-results` for inferenceResults."""
    of, dot, _ = route.name.partition(".")
    return _CAPITAL.sub(lambda found: "-" + found[0].lower(), of) if dot else "service"


def _operation(route: Route, operation: Operation, schemas: Json) -> Json:
    verb = route.name.rpartition(".")[2]
    refusal = {"description": "Why not.", "content": _content(schemas[repr(Error)])}
    answer: Json = {"description": operation.summary}
    if operation.answer is not None:
        answer["content"] = _content(schemas[repr(operation.answer)])
    shown: Json = {
        "operationId": route.name.replace(".", "-"),
        "x-cli-name": _VERBS.get(verb, verb),
        "summary": operation.summary,
        "tags": [_tag(route)],
        "parameters": [*_in_path(route), *_in_query(operation)],
        "responses": {str(operation.status): answer, "default": refusal},
    }
    if operation.body is not None:
        body = schemas[repr(operation.body)]
        shown["requestBody"] = {"required": True, "content": _content(body)}
    return shown


def _content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _in_path(route: Route) -> list[Json]:
    if "{id}" not in route.path:
        return []
    return [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]


def _in_query(operation: Operation) -> list[Json]:
    array = {"type": "array", "items": {"type": "string"}}
    part = _PART if operation.listed else ()
    found = [_parameter(name, array) for name in operation.arrays]
    found += [_parameter(name, {"type": "string"}) for name in operation.words]
    for name in part:
        found.append(_parameter(name, array if name == "sort" else {"type": "integer"}))
    return found


def _parameter(name: str, schema: Json) -> Json:
    shown = {"name": name, "in": "query", "schema": schema}
    # Said outright of an array, else the command line makes one value with commas of it; but of
    # one value it would send the name again.
    return shown | {"style": "form", "explode": True} if schema["type"] == "array" else shown
