"""What clients of v3 know and this service has not: said clearly, and never pretended."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from sessions.dialects.devin.v3.organisations import member
from sessions.failure import Failure
from sessions.web.surface import Handler, Route

ORGANISATION: Final = "/v3/organizations/{org_id}"
PATHS: Final = {
    f"{ORGANISATION}/schedules{{rest:(/.*)?}}": "schedules",
    f"{ORGANISATION}/metrics{{rest:/.*}}": "metrics; /metrics has those of the service",
    f"{ORGANISATION}/consumption{{rest:/.*}}": "consumption by day; a session tells its own",
    f"{ORGANISATION}/sessions/{{session_id}}/insights{{rest:(/.*)?}}": "insights",
    f"{ORGANISATION}/sessions/{{session_id}}/events{{rest:(/.*)?}}": (
        "events in Devin's words; /api/v1/sessions/{id}/events has the session's history"
    ),
}
"""What is asked for there."""


def refusing(what: str) -> Handler:
    """The handler that says so."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        member(request, "sessions:read")
        # Not a 501, which clients send again and again.
        raise Failure(404, "not_offered", f"This service does not offer {what}.")

    return refuse


ROUTES: Final = tuple(
    Route(method="*", path=path, handler=refusing(what), name="none", root=True)
    for path, what in PATHS.items()
)
