"""The edge: every request passes here once, is told what went wrong, counted and logged."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

import structlog
from aiohttp import web

from sessions import ids
from sessions.failure import Failure, failure_of
from sessions.logging import RequestLine, request_log
from sessions.metrics import Metrics
from sessions.web.answer import Answer
from sessions.web.appkeys import LINE
from sessions.web.surface import Handler, Surface

REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID_OK: Final = re.compile(r"[!-~]{1,128}")
# A log line is for operators; it must not carry what a path or a header may hold.
_PATH_CHARS_MAX: Final = 200

_log = structlog.get_logger()


class Edge:
    """What every request passes through; `surfaces` in the order in which prefixes are tried.

    Handlers are wrapped when the routes are made, since a middleware costs every request more.
    `files` is asked for what no surface has; it raises HTTPNotFound for what it has not either.
    """

    def __init__(
        self, surfaces: Sequence[Surface], metrics: Metrics, files: Handler | None = None
    ) -> None:
        self._surfaces = surfaces
        self._files = files
        self._requests = metrics.requests
        self._tell = request_log()

    def routes(self) -> Iterator[web.AbstractRouteDef]:
        """Every route of every surface, and one for paths that nobody serves."""
        for surface in self._surfaces:
            for route, path in surface.paths():
                label = f"{surface.name}.{route.name}"
                yield web.RouteDef(
                    route.method, path, self._wrap(surface, label, route.handler), {}
                )
        yield web.RouteDef("*", "/{path:(?s:.*)}", self._unknown(), {})

    def _wrap(self, surface: Surface, label: str, handler: Handler) -> Handler:
        requests, tell = self._requests, self._tell

        async def edge(request: web.Request) -> web.StreamResponse:
            began = time.perf_counter()
            request[LINE] = line = RequestLine(
                route=label,
                method=request.method,
                path=request.path[:_PATH_CHARS_MAX],
                correlation_id=_request_id(request),
            )
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - here every error becomes an answer
                failure = _failure(error)
                line.code = failure.code
                response = _refusal(surface, failure)
            if isinstance(response, Answer):
                response.fields[REQUEST_ID] = line.correlation_id
            elif not response.prepared:
                response.headers[REQUEST_ID] = line.correlation_id
            seconds = time.perf_counter() - began
            requests.answered(label, response.status, seconds)
            line.status = response.status
            line.ms = round(seconds * 1000, 2)
            tell(line)
            # Answers that are ready in the same turn of the loop are sent in the next one, one
            # after the other: each send among other work wakes its reader and empties the caches.
            # At 64 connections a read costs 60 us so, and 87 us without.
            await asyncio.sleep(0)
            return response

        return edge

    def _unknown(self) -> Handler:
        nowhere = {
            surface.name: self._wrap(surface, f"{surface.name}.none", _no_route)
            for surface in self._surfaces
        }
        first = self._surfaces[0]
        at_root = nowhere[first.name]
        if self._files is not None:
            at_root = self._wrap(first, "files", _file_or_no_route(self._files))

        async def unknown(request: web.Request) -> web.StreamResponse:
            surface = self._surface_of(request.path)
            return await (at_root if surface is None else nowhere[surface.name])(request)

        return unknown

    def _surface_of(self, path: str) -> Surface | None:
        for surface in self._surfaces:
            if surface.prefix and path.startswith(surface.prefix + "/"):
                return surface
        return None


def _file_or_no_route(files: Handler) -> Handler:
    async def file_or_no_route(request: web.Request) -> web.StreamResponse:
        try:
            return await files(request)
        except web.HTTPNotFound:
            return await _no_route(request)

    return file_or_no_route


async def _no_route(request: web.Request) -> web.StreamResponse:
    """Nothing is at this path, or not for this method."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{path}":
            allowed |= (await resource.resolve(request))[1]
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, allowed)
    raise web.HTTPNotFound


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID)
    if given is not None and _REQUEST_ID_OK.fullmatch(given):
        return given
    return ids.request_id()


def _failure(error: Exception) -> Failure:
    known = failure_of(error)
    if known is not None:
        return known
    match error:
        case web.HTTPRequestEntityTooLarge():
            return Failure(413, "too_large", "The body is larger than the service takes.")
        case web.HTTPNotFound():
            return Failure(404, "no_such_route", "There is nothing at this path.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            detail = f"This path answers {allowed}."
            return Failure(405, "method_not_allowed", detail, headers={"Allow": allowed})
        case web.HTTPException():
            return Failure(error.status, "bad_request", error.reason)
        case _:
            _log.error("request.crashed", exc_info=error)
            return Failure(500, "internal", "The service failed; its log says why.")


def _refusal(surface: Surface, failure: Failure) -> web.Response:
    reply = surface.failure(failure)
    headers = {**failure.headers, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)
