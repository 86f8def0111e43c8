"""Devin v1: what a worker gets of a session, and what its reports show (devin.md section 3)."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.devin import SECRET, made, native, native_id, path_of, read
from tests.support.service import API, ask, bearer, client_of, new_key

CLAIMS = f"{API}/work/claims"

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    """A client in a tenant of its own, which also works."""
    admin = await client_of(aiohttp_client, shared)
    key = await new_key(admin, Path(__file__).stem, "sessions:read", "sessions:write", "work")
    return await aiohttp_client(shared, headers=bearer(key["key"]))


async def claimed(client: Client) -> Any:
    """The oldest session that waits, which we have now."""
    asked = {"kind": "agent", "worker": "w", "labels": [], "wait_s": 0}
    return await ask(client, "POST", CLAIMS, json=asked)


async def reported(client: Client, claim: Any, sequence: int, *reports: Any) -> Any:
    path = f"{API}/work/{claim['session_id']}/reports"
    body = {"generation": claim["generation"], "sequence": sequence, "reports": reports}
    return await ask(client, "POST", path, json=body)


async def test_3_a_session_is_worked_on_from_its_prompt_to_its_end(client: Client) -> None:
    await ask(client, "POST", "/v1/secrets", json=SECRET)
    await ask(client, "POST", "/v1/secrets", json={**SECRET, "key": "SHARED", "value": "account"})
    schema = {"type": "object", "required": ["ok"]}
    session = await made(
        client,
        session_secrets=[{"key": "SHARED", "value": "session"}, {"key": "OWN", "value": "own"}],
        snapshot_id="elsewhere-1",
        max_acu_limit=10,
        structured_output_schema=schema,
    )
    claim = await claimed(client)
    assert claim["session_id"] == native_id(session)
    assert (claim["dialect"], claim["prompt"]) == ("devin", "Review the pull request")
    assert claim["spec"]["snapshot_id"] == "elsewhere-1"
    assert claim["secrets"] == {"TOKEN": SECRET["value"], "SHARED": "session", "OWN": "own"}
    said = {"type": "message", "content": "Which branch?"}
    blocked = {"type": "status", "status": "blocked"}
    await reported(client, claim, 1, {"type": "started"}, said, blocked)
    shown = await read(client, session)
    assert (shown["status_enum"], shown["messages"][-1]["type"]) == ("blocked", "devin_message")
    await ask(client, "POST", f"{path_of(session)}/message", json={"message": "main"})
    assert (await read(client, session))["status_enum"] == "working"
    poll = {"generation": claim["generation"], "after": claim["after"], "wait_s": 0}
    heard = await ask(client, "POST", f"{API}/work/{claim['session_id']}/poll", json=poll)
    assert [message["content"] for message in heard["messages"]] == ["main"]
    pull_request = {"type": "pull_request", "url": "https://git.test/1"}
    output = {"type": "output", "structured_output": {"ok": True}}
    used = {"type": "acus", "used": 2.5}
    await reported(
        client, claim, 2, pull_request, output, used, {"type": "finished", "exit_code": 0}
    )
    shown = await read(client, session)
    assert (shown["status"], shown["status_enum"]) == ("exit", "finished")
    assert shown["pull_request"] == {"url": "https://git.test/1"}
    assert (shown["structured_output"], shown["acus_consumed"]) == ({"ok": True}, 2.5)


async def test_3_a_session_that_used_its_budget_has_ended(client: Client) -> None:
    session = await made(client, max_acu_limit=2)
    claim = await claimed(client)
    await reported(client, claim, 1, {"type": "started"}, {"type": "acus", "used": 2})
    assert (await read(client, session))["status_enum"] == "expired"
    state = await native(client, session)
    assert (state["status"], state["reason"]) == ("failed", "limit_reached")
    await ask(client, "DELETE", path_of(session), 400)


async def test_3_a_worker_hears_that_its_session_was_terminated(client: Client) -> None:
    session = await made(client, secret_ids=[])
    claim = await claimed(client)
    assert claim["secrets"] == {}
    await ask(client, "DELETE", path_of(session))
    poll = {"generation": claim["generation"], "after": claim["after"], "wait_s": 5}
    heard = await ask(client, "POST", f"{API}/work/{claim['session_id']}/poll", json=poll)
    assert (heard["ended"]["status"], heard["ended"]["reason"]) == ("stopped", "requested")
