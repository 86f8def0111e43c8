"""What Notte's clients know and this service has not: said clearly, and never pretended."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from sessions.failure import Failure
from sessions.web.auth import authorised
from sessions.web.surface import Handler, Route

FAMILIES: Final = {
    "agents": "agents",
    "functions": "functions",
    "monitors": "monitors",
    "personas": "personas",
    "profiles": "profiles; cookies are read and set with /sessions/{id}/cookies",
    "scrape": "scraping without a session; start one, go there and scrape",
    "usage": "accounts; what a session used stands in its status",
    "vaults": "vaults",
    "workflows": "workflows",
}
"""The first step of a path, and what it asks for."""
OF_SESSIONS: Final = {
    "/page/execute/file": "running a program that is sent as a file",
    "/payments": "payments",
    "/profile-preview": "profiles; cookies are read and set with /sessions/{id}/cookies",
    "/profile/save": "profiles; cookies are read and set with /sessions/{id}/cookies",
}
"""The same below a session."""


def _refusing(what: str) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        authorised(request, "sessions:read")
        raise Failure(501, "not_offered", f"This service does not offer {what}.")

    return refuse


ROUTES: Final = (
    *(
        Route(
            method="*",
            path=f"/{{family:{family}}}{{rest:(/.*)?}}",
            handler=_refusing(what),
            name=family,
        )
        for family, what in FAMILIES.items()
    ),
    *(
        Route(method="*", path=f"/sessions/{{id}}{path}", handler=_refusing(what), name="none")
        for path, what in OF_SESSIONS.items()
    ),
)
