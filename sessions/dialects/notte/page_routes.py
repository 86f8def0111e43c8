"""The routes of what is done on pages and of what is known of a visit, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.notte import cookies, network, pages, replay, workflow
from sessions.web.surface import Handler, Route


def _route(method: str, below: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path="/sessions/{id}/" + below, handler=handler, name=name)


PAGE_ROUTES: Final = (
    _route("POST", "page/observe", pages.observe, "page.observe"),
    _route("POST", "page/execute", pages.execute, "page.execute"),
    _route("POST", "page/scrape", pages.scrape, "page.scrape"),
    _route("POST", "page/screenshot", pages.screenshot, "page.screenshot"),
    _route("GET", "cookies", cookies.get, "cookies.get"),
    _route("POST", "cookies", cookies.set_, "cookies.set"),
    _route("GET", "network/logs", network.logs, "network.logs"),
    _route("GET", "network/logs/{number}", network.batch, "network.batch"),
    _route("GET", "workflow/code", workflow.code, "workflow.code"),
    _route("GET", "replay", replay.get, "replay.get"),
    _route("GET", "replay/mouse", replay.mouse, "replay.mouse"),
    _route("GET", "replay/video.mp4", replay.video, "replay.video"),
)
