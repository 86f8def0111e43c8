"""The operations on a session's files and evidence, for real, each answer held against the
OpenAPI document."""

from __future__ import annotations

from typing import Any

from tests.support.contract import Checked
from tests.support.service import SESSIONS, create, move

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


async def _with_file(api: Checked) -> tuple[Any, str]:
    session = await create(api.client)
    path = f"{SESSIONS}/{session['id']}/artifacts"
    headers = {"Content-Type": "text/plain", "Idempotency-Key": "a", "If-Match": "*"}
    made = await api.ask("POST", f"{path}?name=a.txt", 201, data=b"abc", headers=headers)
    assert made["artifacts"] == 1
    return session, path


async def _missing(api: Checked, method: str, more: str) -> None:
    await api.ask(method, f"{SESSIONS}/none/{more}", 404, "not_found")


async def sessions_artifacts_add(api: Checked) -> None:
    """Store a file, and be refused in every way."""
    session, path = await _with_file(api)
    await api.ask("POST", path, 422, "invalid_value", params={"name": "a/b"})
    await api.ask("POST", path, 422, "invalid_value", data=b"x", headers={"Content-Type": "text"})
    await api.ask("POST", path, 412, "revision_mismatch", headers={"If-Match": '"99"'})
    code = "idempotency_key_reused"
    await api.ask("POST", path, 422, code, data=b"x", headers={"Idempotency-Key": "a"})
    await api.ask("POST", path, 400, "bad_idempotency_key", headers={"Idempotency-Key": "a b"})
    packed = {"Content-Encoding": "gzip"}
    await api.ask("POST", path, 400, "unreadable_body", data=b"abc", headers=packed)
    await move(api.client, session, "lost")
    await api.ask("POST", path, 409, "session_ended", data=b"x")
    await api.ask("DELETE", f"{SESSIONS}/{session['id']}", 204)
    await api.ask("POST", path, 410, "session_deleted", data=b"x")
    await _missing(api, "POST", "artifacts")


async def sessions_artifacts(api: Checked) -> None:
    """List files."""
    session, path = await _with_file(api)
    page = await api.ask("GET", path, params={"limit": "1", "after": "0"})
    assert [item["sha256"] for item in page["items"]] == [ABC]
    await api.ask("GET", path, 400, "bad_position", params={"after": "x"})
    await api.ask("DELETE", f"{SESSIONS}/{session['id']}", 204)
    await api.ask("GET", path)
    await _missing(api, "GET", "artifacts")


async def sessions_artifacts_get(api: Checked) -> None:
    """Get the bytes of a file."""
    session, path = await _with_file(api)
    assert await api.ask("GET", f"{path}/{ABC}") == "abc"
    assert await api.ask("GET", f"{path}/{ABC}", 206, headers={"Range": "bytes=1-1"}) == "b"
    assert await api.ask("GET", f"{path}/{ABC}", 416, headers={"Range": "bytes=7-"}) is None
    await api.ask("GET", f"{path}/{'0' * 64}", 404, "not_found")
    await _missing(api, "GET", f"artifacts/{ABC}")
    await api.ask("DELETE", f"{SESSIONS}/{session['id']}", 204, params={"erase": "true"})
    await api.ask("GET", f"{path}/{ABC}", 410, "artifact_gone")


async def sessions_evidence(api: Checked) -> None:
    """Get a bundle, with the file and without."""
    session, _ = await _with_file(api)
    path = f"{SESSIONS}/{session['id']}/evidence"
    whole = await api.ask("GET", path)
    assert whole.endswith("\nabc")
    assert len(await api.ask("GET", path, params={"artifacts": "false"})) < len(whole)
    await api.ask("GET", path, 400, "invalid_query", params={"artifacts": "no"})
    await _missing(api, "GET", "evidence")
