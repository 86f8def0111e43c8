"""Today's API of Notte, as its users call it, one line each."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

from tests.support.service import SESSIONS, ask

P: Final = "/notte/sessions"
UNKNOWN: Final = "01a200a3-4bc9-74da-9f5a-33d114fc16b0"


async def started(client: Any, **body: Any) -> Any:
    """A new session."""
    return await ask(client, "POST", f"{P}/start", json=body)


async def running(client: Any, **body: Any) -> str:
    """The id of a new session whose browser answers."""
    session_id: str = (await started(client, **body))["session_id"]
    await ask(client, "GET", f"{SESSIONS}/{session_id}?wait=status:running&timeout=60")
    return session_id


async def status(client: Any, session_id: str) -> Any:
    """The session."""
    return await ask(client, "GET", f"{P}/{session_id}")


async def stop(client: Any, session_id: str, code: int = 200, query: str = "") -> Any:
    """The answer to a stop."""
    return await ask(client, "DELETE", f"{P}/{session_id}/stop{query}", code)


async def goto(client: Any, session_id: str, url: str) -> Any:
    """The answer to a visit."""
    body = {"type": "goto", "url": url}
    return await ask(client, "POST", f"{P}/{session_id}/page/execute", json=body)


def the_file(data: bytes, name: str = "a.txt", **part: Any) -> aiohttp.FormData:
    """A form with a file."""
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", data, filename=name, **part)
    return form
