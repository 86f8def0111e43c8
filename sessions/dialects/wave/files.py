"""The files of the tests at the document root, as test pages ask for them (section 1.7)."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from sessions.dialects.wave import pages
from sessions.dialects.wave.access import wave_caller
from sessions.testset import files
from sessions.web.appkeys import TEST_SET

# Every browser asks for it on behalf of a page that names no icon, as tests do not.
ICON: Final = "/favicon.ico"
# What carries a run past a service that is away must not need the service itself for each test.
_KEPT: Final = {files.REPORT: "max-age=600"}


async def test_file(request: web.Request) -> web.StreamResponse:
    """What the folder of tests has at this path; raises HTTPNotFound.

    A browser asks again whether a file has changed, so that an edited test is what runs; only our
    own report script is kept for a while.
    """
    folder = request.app[TEST_SET].folder
    if request.method != "GET" or folder is None:
        raise web.HTTPNotFound
    found = await asyncio.to_thread(files.find, folder, request.rel_url.raw_path)
    if found is None and request.rel_url.raw_path == ICON:
        return pages.icon()
    if found is None:
        raise web.HTTPNotFound
    # Who may run tests may have their files, and nobody else: the folder may be anything.
    wave_caller(request, "sessions:read")
    response: web.StreamResponse
    if found.file is None:
        response = web.Response(text=found.text)
    else:
        response = web.FileResponse(found.file)
    response.headers["Content-Type"] = found.content_type
    response.headers["Cache-Control"] = _KEPT.get(request.path, "no-cache")
    for name, _ in found.headers:
        response.headers.popall(name, None)
    for name, value in found.headers:
        response.headers.add(name, value)
    return response
