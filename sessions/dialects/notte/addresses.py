"""Where clients find what the service has for them, as whole addresses."""

from __future__ import annotations

from aiohttp import web

from sessions.web.appkeys import LINKS, SETTINGS


def origin(request: web.Request) -> str:
    """How the client reaches the service: as it was told, or as it was asked."""
    told = request.app[SETTINGS].public_url or f"{request.scheme}://{request.host}"
    return told.rstrip("/")


def link_to(request: web.Request, below: str) -> tuple[str, int]:
    """An address below that of the request that needs no key, and the second when it expires."""
    path = request.path.rstrip("/") + below
    link = request.app[LINKS].sign(path)
    return f"{origin(request)}{path}?{link.query}", link.expires_at
