"""From the key in a request to the caller behind it."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from projections.events.access import Scope
from sessions.access import with_request
from sessions.caller import DEFAULT_TENANT, Caller
from sessions.failure import Failure
from sessions.web.appkeys import ACCESS, LINE

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="sessiond"'}
_TRACEPARENT_OK: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_OWNER: Final = Caller(actor="owner", tenant=DEFAULT_TENANT, scopes=("admin",))


def authorised(request: web.Request, scope: Scope) -> Caller:
    """The caller by `Authorization: Bearer` or `X-API-Key`; raises Failure 401 or Forbidden."""
    return caller_of(request, secret_of(request), scope)


def secret_of(request: web.Request) -> str:
    """The key in the headers of a request, or nothing."""
    header = request.headers.get("Authorization", "")
    if header[:7].lower() == "bearer ":
        return header[7:].strip()
    return request.headers.get("X-API-Key", "")


def caller_of(request: web.Request, secret: str, scope: Scope) -> Caller:
    """The caller whose key is `secret`; who reads the data folder may do everything."""
    caller = request.app[ACCESS].caller(secret) if secret else None
    if caller is None and _is_owner(request):
        caller = _OWNER
    if caller is None:
        detail = "The key is missing, unknown or revoked."
        raise Failure(401, "unauthorized", detail, headers=_CHALLENGE)
    caller.need(scope)
    return in_request(request, caller)


def in_request(request: web.Request, caller: Caller) -> Caller:
    """The caller with what ties this request to its commits and its log line."""
    line = request[LINE]
    line.actor = caller.actor
    traceparent = request.headers.get("traceparent", "")
    if traceparent and not _TRACEPARENT_OK.fullmatch(traceparent):
        traceparent = ""  # W3C Trace Context section 3.2.1: ignore what cannot be read
    return with_request(caller, line.correlation_id, traceparent)


def _is_owner(request: web.Request) -> bool:
    # Only the socket in the data folder has a path for a name.
    transport = request.transport
    return transport is not None and isinstance(transport.get_extra_info("sockname"), str)
