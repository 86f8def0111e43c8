"""Where clients find the service."""

from __future__ import annotations

from aiohttp import web

from sessions.web.appkeys import SETTINGS


def origin(request: web.Request) -> str:
    """How the client reaches the service: as it was told, or as it was asked."""
    told = request.app[SETTINGS].public_url or f"{request.scheme}://{request.host}"
    return told.rstrip("/")
