"""The native operations on what runs in machines, each held against the OpenAPI document.

They are found by the names of the operations; the service has machines that follow a script.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.service import SESSIONS, create, move


def _path(session: Any, more: str = "") -> str:
    return f"{SESSIONS}/{session['id']}/executions{more}"


async def sessions_executions_add(api: Any) -> None:
    """Programs that end well, badly, in time and not; and what is refused."""
    session = await create(api.client, "vm", secrets={"A": "x y"})
    path = _path(session)
    asked = {"code": "env A", "language": "bash", "timeout_s": 5}
    done = await api.ask("POST", path, 201, json=asked)
    assert (done["status"], done["exit_code"], done["stdout"]) == ("finished", 0, "x y\n")
    failed = await api.ask("POST", path, 201, json={"code": "exit 3"})
    assert (failed["status"], failed["exit_code"]) == ("finished", 3)
    late = await api.ask("POST", path, 201, json={"code": "sleep", "timeout_s": 0.1})
    assert (late["timed_out"], late["exit_code"]) == (True, None)
    begun = await api.ask("POST", path, 202, json={"code": "echo", "wait": False})
    assert (begun["status"], begun["finished_at"]) == ("waiting", None)
    for wrong in ({}, {"code": 1}, {"code": "x", "language": "c"}, {"code": "x", "size": 1}):
        await api.ask("POST", path, 422, "invalid_body", json=wrong)
    for wrong in ({"timeout_s": 0}, {"timeout_s": 3601}, {"code": "x" * (1 << 18) + "x"}):
        await api.ask("POST", path, 422, "invalid_value", json={"code": "x", **wrong})
    await refusals(api, path, session)


async def refusals(api: Any, path: str, session: Any) -> None:
    """What speaks against a machine."""
    asked = {"code": "echo"}
    await api.ask("POST", f"{SESSIONS}/none/executions", 404, "not_found", json=asked)
    other = await create(api.client, "browser")
    await api.ask("POST", _path(other), 409, "no_machine", json=asked)
    odd = await create(api.client, "vm", spec={"vcpu_count": 3})
    await api.ask("POST", _path(odd), 409, "no_machine", json=asked)
    waiting = await create(api.client, "vm")
    script = api.runtime.script
    script.then("check", "unavailable")
    await api.ask("POST", _path(waiting), 503, "runtime_unavailable", json=asked)
    script.then("boot", "fail")
    await api.ask("POST", _path(waiting), 503, "runtime_failed", json=asked)
    await api.ask("POST", _path(waiting), 409, "session_ended", json=asked)
    await move(api.client, session, "completed")
    await api.ask("POST", path, 409, "session_ended", json=asked)
    await api.ask("DELETE", f"{SESSIONS}/{session['id']}", 204)
    await api.ask("POST", path, 410, "session_deleted", json=asked)


async def sessions_executions(api: Any) -> None:
    """The programs of a session in pages, over two machines; of a deleted session too."""
    session = await create(api.client, "vm")
    for number in range(3):
        await api.ask("POST", _path(session), 201, json={"code": f"echo {number}"})
    (vm,) = api.runtime.running.values()
    await vm.stop()
    await _until_paused(api, session)
    await api.ask("POST", _path(session), 201, json={"code": "echo 3"})
    page = await api.ask("GET", _path(session), params={"limit": "2"})
    assert [item["stdout"] for item in page["items"]] == ["0\n", "1\n"]
    rest = await api.ask("GET", _path(session), params={"after": str(page["next"])})
    assert [item["stdout"] for item in rest["items"]] == ["2\n", "3\n"]
    assert rest["next"] is None
    await api.ask("GET", _path(session), 400, "bad_position", params={"after": "x"})
    await api.ask("GET", _path(session), 400, "invalid_query", params={"limit": "0"})
    await api.ask("GET", f"{SESSIONS}/none/executions", 404, "not_found")
    await api.ask("DELETE", f"{SESSIONS}/{session['id']}", 204)
    assert len((await api.ask("GET", _path(session)))["items"]) == 4


async def _until_paused(api: Any, session: Any) -> None:
    path = f"{SESSIONS}/{session['id']}"
    await api.ask("GET", path, params={"wait": "status:paused", "timeout": "60"})


async def sessions_executions_get(api: Any) -> None:
    """A program that was promised, until its end."""
    session = await create(api.client, "vm")
    made = await api.ask("POST", _path(session), 202, json={"code": "echo hi", "wait": False})
    path = _path(session, f"/{made['id']}")
    found = made
    for _ in range(6000):
        found = await api.ask("GET", path)
        if found["status"] not in ("waiting", "running"):
            break
        await asyncio.sleep(0.01)
    assert (found["status"], found["stdout"], found["truncated"]) == ("finished", "hi\n", False)
    await api.ask("GET", _path(session, "/none"), 404, "not_found")
    other = await create(api.client, "vm")
    await api.ask("GET", _path(other, f"/{made['id']}"), 404, "not_found")
