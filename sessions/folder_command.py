"""Commands on a data folder: by the running service if there is one, else on the log itself."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from eventstore.errors import EventStoreError
from sessions.app import make_app, open_service, wall_clock_us
from sessions.command_error import CommandError
from sessions.control import SOCKET_NAME, running
from sessions.domain.rejections import Rejection
from sessions.settings import Settings


class Request(msgspec.Struct, frozen=True):
    """What a running service is asked."""

    method: str
    path: str
    body: dict[str, Any] | None = None


Offline = Callable[[web.Application], Awaitable[Any]]
"""Does the same to the parts of a service that listens nowhere."""


async def run(settings: Settings, request: Request, offline: Offline) -> Any:
    """What the service, or `offline`, answers; raises CommandError."""
    folder = settings.folder
    if not folder.is_dir():
        raise CommandError(f"{folder} is no data folder: start the service once, or name another")
    if running(folder):
        return await _by_service(folder, request)
    app = make_app(settings)
    try:
        async with open_service(app, settings, wall_clock_us):
            return await offline(app)
    except (EventStoreError, Rejection) as error:
        raise CommandError(str(error)) from None


async def _by_service(folder: Path, request: Request) -> Any:
    # A socket's path may be 107 bytes long; its name in the folder is always short enough.
    with contextlib.chdir(folder):
        connector = aiohttp.UnixConnector(SOCKET_NAME)
        async with (
            aiohttp.ClientSession("http://sessiond", connector=connector) as client,
            client.request(request.method, request.path, json=request.body) as answer,
        ):
            body = await answer.json(content_type=None)
            if not answer.ok:
                raise CommandError(body["detail"])
            return body
