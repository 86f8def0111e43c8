"""Handlers of WAVE's lists of tests, and of what the service says of itself."""

from __future__ import annotations

import functools

from aiohttp import web

from sessions.dialects.wave import wire, wire_catalog
from sessions.dialects.wave.access import wave_caller
from sessions.dialects.wave.sessions import answer
from sessions.testset.testset import TestSet
from sessions.web.answer import Answer
from sessions.web.appkeys import SETTINGS, TEST_SET


async def tests(request: web.Request) -> web.Response:
    """All tests by API (section 1.3)."""
    wave_caller(request, "sessions:read")
    body = _all_tests(request.app[TEST_SET])
    return Answer(body, 200, wire.CORS)


async def apis(request: web.Request) -> web.Response:
    """The APIs that have tests (section 1.3)."""
    wave_caller(request, "sessions:read")
    titles = request.app[SETTINGS].wave_api_titles
    return answer([wire_catalog.api_view(api, titles) for api in request.app[TEST_SET].apis])


async def status(request: web.Request) -> web.Response:
    """What this service can do, for the pages (section 1.6)."""
    wave_caller(request, "sessions:read")
    settings = request.app[SETTINGS]
    return answer(
        wire_catalog.ServiceView(
            read_sessions_enabled=settings.wave_read_sessions,
            import_results_enabled=settings.wave_import,
        )
    )


# The set stays as it is, and thousands of paths are not written anew for each page that asks.
@functools.lru_cache(maxsize=1)
def _all_tests(test_set: TestSet) -> bytes:
    return wire.text(wire_catalog.by_api(test_set.tests))
