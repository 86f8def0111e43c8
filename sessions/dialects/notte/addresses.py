"""Where clients find what the service has for them, as whole addresses."""

from __future__ import annotations

from aiohttp import web

from sessions.dialects.addresses import origin
from sessions.web.appkeys import LINKS


def link_to(request: web.Request, below: str) -> tuple[str, int]:
    """An address below that of the request that needs no key, and the second when it expires."""
    path = request.path.rstrip("/") + below
    link = request.app[LINKS].sign(path)
    return f"{origin(request)}{path}?{link.query}", link.expires_at
