"""The edge: every request passes here once, is told what went wrong, counted and logged."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

import structlog
from aiohttp import web

from sessions import ids
from sessions.failure import Failure, failure_of
from sessions.metrics import Metrics
from sessions.web.appkeys import ACTOR, CORRELATION_ID
from sessions.web.surface import Handler, Route, Surface

REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID_OK: Final = re.compile(r"[!-~]{1,128}")
# A log line is for operators; it must not carry what a path or a header may hold.
_PATH_CHARS_MAX: Final = 200

_log = structlog.get_logger()


class Edge:
    """The one middleware; `surfaces` in the order in which their prefixes are tried."""

    def __init__(self, surfaces: Sequence[Surface], metrics: Metrics) -> None:
        self._metrics = metrics
        self._fallback = surfaces[0]
        self._by_prefix = [(s.prefix + "/", s) for s in surfaces if s.prefix]
        self._by_handler: dict[object, tuple[Surface, Route]] = {
            route.handler: (surface, route) for surface in surfaces for route in surface.routes
        }

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer `request`, whatever `handler` does."""
        began = time.perf_counter()
        known = self._by_handler.get(request.match_info.handler)
        surface = known[0] if known else self._surface_of(request.path)
        route = f"{surface.name}.{known[1].name}" if known else f"{surface.name}.none"
        correlation_id = _request_id(request)
        request[CORRELATION_ID] = correlation_id
        failure: Failure | None = None
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - here every error becomes an answer
            failure = _failure(error)
            response = _refusal(surface, failure)
        if not response.prepared:
            response.headers[REQUEST_ID] = correlation_id
        seconds = time.perf_counter() - began
        self._metrics.answered(route, response.status, seconds)
        _log_line(request, route, response.status, seconds, failure)
        return response

    def _surface_of(self, path: str) -> Surface:
        for prefix, surface in self._by_prefix:
            if path.startswith(prefix):
                return surface
        return self._fallback


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID)
    if given is not None and _REQUEST_ID_OK.fullmatch(given):
        return given
    return ids.commit_id().hex()


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


def _log_line(
    request: web.Request, route: str, status: int, seconds: float, failure: Failure | None
) -> None:
    fields: dict[str, object] = {
        "route": route,
        "method": request.method,
        "path": request.path[:_PATH_CHARS_MAX],
        "status": status,
        "ms": round(seconds * 1000, 2),
        "actor": request.get(ACTOR, ""),
        "correlation_id": request[CORRELATION_ID],
    }
    if failure is not None:
        fields["code"] = failure.code
    _log.info("request.done", **fields)
