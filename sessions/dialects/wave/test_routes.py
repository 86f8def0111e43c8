"""The routes of WAVE's tests API for a session, and of its device's reports, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.wave import tests
from sessions.web.surface import Handler, Route


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=name, root=True)


TESTS: Final = (
    _route("GET", "/api/tests/{token}", tests.of_session, "tests.read"),
    _route("GET", "/api/tests/{token}/next", tests.next_test, "tests.next"),
    _route("GET", "/api/tests/{token}/last_completed", tests.last_completed, "tests.completed"),
    _route("GET", "/api/tests/{token}/malfunctioning", tests.malfunctioning, "tests.broken"),
    _route("PUT", "/api/tests/{token}/malfunctioning", tests.mark_malfunctioning, "tests.mark"),
    _route("POST", "/api/results/{token}", tests.report, "results.report"),
)
