"""Real answers held against the OpenAPI document: status, headers, content type and body."""

from __future__ import annotations

import copy
import re
from typing import Any

import jsonschema
import msgspec
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from sessions.dialects.native.routes import DOCUMENT

URN = "urn:sessiond:openapi"
# What the HTTP layer says of itself.
TRANSPORT = frozenset(
    ["content-type", "content-length", "date", "server", "connection", "transfer-encoding"]
)
METHODS = ("get", "post", "patch", "delete")


def closed(document: Any) -> Any:
    """The document with answers that hold what it names and nothing else."""
    strict = copy.deepcopy(document)
    for schema in strict["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return strict


class Contract:
    """One document, and the operations whose successes were checked against it."""

    def __init__(self, document: Any) -> None:
        self.document = closed(document)
        self.succeeded: set[str] = set()
        resource = DRAFT202012.create_resource(self.document)
        self._registry: Any = Registry().with_resource(URN, resource)
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
        }

    def resolved(self, found: Any) -> Any:
        """What a reference points to; anything else as it is."""
        while "$ref" in found:
            reference = found["$ref"]
            found = self.document
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]
        return found

    def validate(self, schema: Any, value: Any) -> None:
        """Raises jsonschema.ValidationError."""
        inside = {"$id": f"{URN}:part", **rebased(schema)}
        jsonschema.Draft202012Validator(
            inside,
            registry=self._registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        ).validate(value)

    def fits(self, schema: Any, value: Any) -> bool:
        """True if `value` is as `schema` says."""
        try:
            self.validate(schema, value)
        except jsonschema.ValidationError:
            return False
        return True

    def frame(self, payload: str | bytes) -> Any:
        """A frame of a feed."""
        frame = msgspec.json.decode(payload)
        self.validate(self.document["components"]["schemas"]["Frame"], frame)
        return frame

    def operation_of(self, method: str, path: str) -> Any:
        """The operation that serves `path`."""
        for known, template, operation in self.operations.values():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if known == method and re.fullmatch(pattern, path.partition("?")[0]):
                return operation
        raise AssertionError(f"{method} {path} is not documented")

    def check(self, operation: Any, status: int, headers: Any, body: bytes) -> Any:
        """The decoded body of an answer that is as the document says."""
        name = operation["operationId"]
        assert str(status) in operation["responses"], (
            f"{name}: {status} is not documented: {body!r}"
        )
        response = self.resolved(operation["responses"][str(status)])
        self._check_headers(f"{name} {status}", response.get("headers", {}), headers)
        if status < 400:
            self.succeeded.add(name)
        content = response.get("content", {})
        if not content:
            assert not body
            return None
        media = headers["Content-Type"].partition(";")[0]
        documented = media if media in content else "*/*"
        assert documented in content, f"{name}: {media} is not documented for {status}"
        value = msgspec.json.decode(body) if media.endswith("json") else body.decode()
        self.validate(content[documented]["schema"], value)
        return value

    def _check_headers(self, where: str, documented: Any, headers: Any) -> None:
        known = {name.lower() for name in documented}
        extra = {name.lower() for name in headers} - TRANSPORT - known
        assert not extra, f"{where} has undocumented headers: {extra}"
        for name, found in documented.items():
            header = self.resolved(found)
            assert name in headers or not header["required"], f"{where} has no {name}"
            if name in headers:
                self.validate(header["schema"], headers[name])

    def check_request(self, operation: Any, request: Any, refusal: str | None) -> None:
        """A request that is served, or refused for its shape, is so by the document as well."""
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        if refusal != "invalid_query":
            sent = {name.partition(".")[0] for name in request.get("params", {})}
            assert sent - {"api_key"} <= named, f"undocumented parameters: {sent - named}"
        if "json" in request and refusal in (None, "invalid_body", "invalid_value"):
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert self.fits(schema, request["json"]) == (refusal is None), request["json"]


def rebased(schema: Any) -> Any:
    """The schema with its references into the document, wherever it stands itself."""
    match schema:
        case {"$ref": str(reference), **rest}:
            return {"$ref": URN + reference, **rebased(rest)}
        case dict():
            return {name: rebased(value) for name, value in schema.items()}
        case list():
            return [rebased(value) for value in schema]
        case _:
            return schema


class Checked:
    """A client all of whose answers are checked."""

    def __init__(self, client: Any, runtime: Any = None) -> None:
        self.client = client
        self.runtime = runtime
        self.contract = Contract(msgspec.json.decode(DOCUMENT))

    async def ask(
        self, method: str, path: str, status: int = 200, code: str | None = None, **request: Any
    ) -> Any:
        """The body of an answer with this status and, for a refusal, this code."""
        operation = self.contract.operation_of(method, path)
        async with self.client.request(method, path, **request) as answer:
            body = await answer.read()
            value = self.contract.check(operation, answer.status, answer.headers, body)
            found = value.get("code") if answer.status >= 400 and isinstance(value, dict) else None
            assert (answer.status, found) == (status, code), (method, path, body)
            assert answer.headers["X-Request-Id"]
        self.contract.check_request(operation, request, code)
        return value
