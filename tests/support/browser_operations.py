"""The native operation on browsers, held against the OpenAPI document.

It is found by the name of the operation; the service has browsers that follow a script.
"""

from __future__ import annotations

from typing import Any

from tests.support.service import SESSIONS, create


def _path(session_id: str) -> str:
    return f"{SESSIONS}/{session_id}/browser"


async def sessions_browser(api: Any) -> None:
    """The browser of a session before and while there is one, and in the past."""
    session = await create(api.client, "browser")
    view = await api.ask("GET", _path(session["id"]))
    assert (view["open"], view["version"]) == (False, "")
    async with api.client.post("/notte/sessions/start", json={}) as answer:
        made = (await answer.json())["session_id"]
    path = f"{SESSIONS}/{made}"
    await api.client.get(path, params={"wait": "status:running", "timeout": "10"})
    assert (await api.ask("GET", _path(made)))["open"]
    past = {"as_of": str(session["position"])}
    assert not (await api.ask("GET", _path(session["id"]), params=past))["actions"]
    for wrong, code in (({"as_of": "99999"}, "bad_position"), ({"x": "1"}, "invalid_query")):
        await api.ask("GET", _path(made), 400, code, params=wrong)
    other = await create(api.client, "vm")
    await api.ask("GET", _path(other["id"]), 404, "not_found")
    await api.ask("DELETE", path, 204)
    await api.ask("GET", _path(made), 410, "session_deleted")
