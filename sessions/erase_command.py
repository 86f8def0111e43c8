"""`sessiond erase`: what it asks of a running service, and what it does without one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from eventstore.sqlite.log import FILE_NAME
from sessions import folder_command
from sessions.caller import SERVICE
from sessions.command_error import CommandError
from sessions.folder_command import Request
from sessions.settings import Settings
from sessions.web.appkeys import ERASURES


async def run_erase(settings: Settings, session_id: str) -> dict[str, Any]:
    """Erase a session, and say so; raises CommandError."""
    folder = settings.folder
    if not (folder / FILE_NAME).is_file():
        raise CommandError(f"{folder} is no data folder: there is no log in it")

    async def offline(app: web.Application) -> Any:
        return await app[ERASURES].erase(session_id, SERVICE)

    path = f"/api/v1/sessions/{quote(session_id, safe='')}?erase=true"
    await folder_command.run(settings, Request("DELETE", path), offline)
    return {"id": session_id, "erased": True}
