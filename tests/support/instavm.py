"""InstaVM's API of a service whose machines follow a script: the calls, one line each."""

from __future__ import annotations

from typing import Any, Final

from tests.support.scripted_machines import ScriptedMachines
from tests.support.service import ADMIN, ask, start

P: Final = "/instavm"
CREATE: Final = f"{P}/v1/sessions/session"
VMS: Final = f"{P}/v1/vms"


async def start_scripted(
    aiohttp_client: Any, tmp_path: Any, runtime: ScriptedMachines, **settings: Any
) -> Any:
    """A client, an admin's, of a service with these machines; close it before another starts."""
    return await start(aiohttp_client, tmp_path, machines=runtime, **settings)


async def made(client: Any, key: str = ADMIN, **body: Any) -> str:
    """The id of a new session."""
    answer = await ask(client, "POST", CREATE, json={"api_key": key, **body})
    session_id: str = answer["session_id"]
    return session_id


async def execute(
    client: Any, session_id: str, command: str, status: int = 200, **body: Any
) -> Any:
    """The answer to an execution of `command`, bash unless told otherwise."""
    asked = {"session_id": session_id, "command": command, "language": "bash", **body}
    return await ask(client, "POST", f"{P}/execute", status, json=asked)


async def status_of(client: Any, session_id: str) -> Any:
    """The status of a session."""
    return await ask(client, "GET", f"{P}/v1/sessions/status/{session_id}")


async def created(client: Any, status: int = 200, query: str = "", **body: Any) -> Any:
    """A new machine."""
    return await ask(client, "POST", f"{VMS}{query}", status, json=body)


def wrong_fields(error: Any) -> list[tuple[tuple[Any, ...], str]]:
    """Where a 422 says that something is wrong, and what; its shape is FastAPI's."""
    assert error.keys() == {"detail"}
    for one in error["detail"]:
        assert one.keys() == {"loc", "msg", "type"}
    return [(tuple(one["loc"]), one["type"]) for one in error["detail"]]
