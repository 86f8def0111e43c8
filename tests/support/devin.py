"""What tests ask of Devin's API v1, in one line each."""

from __future__ import annotations

import io
from typing import Any, Final

import aiohttp

from sessions.dialects.devin.ids import native_id as uuid_of
from tests.support.service import SESSIONS, ask, move

PROMPT: Final = "Review the pull request"
PATHS: Final = ["/v1/sessions", "/devin/v1/sessions"]
SECRET: Final[dict[str, Any]] = {
    "type": "key-value",
    "key": "TOKEN",
    "value": "top-secret-91c2",
    "sensitive": True,
    "note": "of the tests",
}
NOTE: Final = {"name": "Style", "body": "Use tabs.", "trigger_description": "writing code"}

Client = Any


async def made(client: Client, prompt: str = PROMPT, **body: Any) -> Any:
    """What the create of a session answers."""
    return await ask(client, "POST", "/v1/sessions", json={"prompt": prompt, **body})


async def read(client: Client, session: Any) -> Any:
    """The session now."""
    return await ask(client, "GET", path_of(session))


async def listed(client: Client, query: Any = "") -> list[Any]:
    """The sessions of one page."""
    found = await ask(client, "GET", "/v1/sessions", params=query)
    assert found.keys() == {"sessions"}
    sessions: list[Any] = found["sessions"]
    return sessions


def path_of(session: Any) -> str:
    """Where the session is."""
    return f"/v1/sessions/{session['session_id']}"


def native_id(session: Any) -> str:
    """The id that the native API knows the session by."""
    found = uuid_of(session["session_id"])
    assert found is not None
    return found


async def native(client: Client, session: Any) -> Any:
    """The session as the native API shows it."""
    return await ask(client, "GET", f"{SESSIONS}/{native_id(session)}")


async def moved(client: Client, session: Any, *statuses: str) -> None:
    """Take the session through these statuses."""
    await move(client, {"id": native_id(session)}, *statuses)


def the_file(data: bytes, name: str | None = "notes.txt", media_type: str | None = None) -> Any:
    """A form with a file."""
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", io.BytesIO(data), filename=name, content_type=media_type)
    return form
