"""Devin v1: an idempotent create makes one session, however often it comes (devin.md section 3)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.devin import PATHS, PROMPT, made, moved, native_id, read
from tests.support.service import (
    SESSIONS,
    ask,
    bearer,
    client_of,
    client_of_a_tenant,
    new_key,
    start,
)

Client = Any


@pytest.fixture
async def client(aiohttp_client: Any, shared: Any) -> Client:
    return await client_of_a_tenant(aiohttp_client, shared)


async def test_3_idempotent_creation_says_whether_it_is_new(client: Client) -> None:
    first = await made(client, idempotent=True)
    again = await made(client, idempotent=True, title="other", tags=["x"])
    assert (first["is_new_session"], again["is_new_session"]) == (True, False)
    assert {**again, "is_new_session": True} == first
    others = [
        await made(client, "Another prompt", idempotent=True),
        await made(client, idempotent=True, snapshot_id="s"),
        await made(client, idempotent=True, playbook_id="p"),
    ]
    assert all(other["is_new_session"] for other in others)
    plain = [await made(client), await made(client, idempotent=False)]
    assert len({s["session_id"] for s in [first, *others, *plain]}) == 6


async def test_3_an_ended_session_no_longer_matches(client: Client) -> None:
    first = await made(client, idempotent=True)
    await moved(client, first, "stopped")
    second = await made(client, idempotent=True)
    assert second["is_new_session"]
    assert second["session_id"] != first["session_id"]
    await ask(client, "DELETE", f"{SESSIONS}/{native_id(second)}", 204)
    assert (await made(client, idempotent=True))["is_new_session"]


async def test_6_9_concurrent_idempotent_posts_make_one_session(client: Client) -> None:
    for wave in range(5):
        body = {"prompt": f"wave {wave}", "idempotent": True}
        posts = [ask(client, "POST", PATHS[n % 2], json=body) for n in range(30)]
        sessions = await asyncio.gather(*posts)
        assert len({session["session_id"] for session in sessions}) == 1
        assert sum(session["is_new_session"] for session in sessions) == 1
    assert len((await ask(client, "GET", SESSIONS))["items"]) == 5


async def test_3_idempotency_is_the_owner_s_own(aiohttp_client: Any, shared: Any) -> None:
    admin = await client_of(aiohttp_client, shared)
    keys = [
        await new_key(admin, "ours", name="one"),
        await new_key(admin, "ours", name="two"),
        await new_key(admin, "theirs", name="one"),
    ]
    keyless = await aiohttp_client(shared)
    body = {"prompt": PROMPT, "idempotent": True}
    for key in keys:
        headers = bearer(key["key"])
        session = await ask(keyless, "POST", "/v1/sessions", json=body, headers=headers)
        assert session["is_new_session"]


async def test_a_restart_keeps_session_messages_and_idempotency(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    client = await start(aiohttp_client, tmp_path, public_url="http://lab")
    session = await made(client, idempotent=True, tags=["a"])
    path = f"{SESSIONS}/{native_id(session)}/messages"
    await ask(client, "POST", path, 201, json={"content": "more"})
    shown = await read(client, session)
    await client.close()
    again = await start(aiohttp_client, tmp_path, public_url="http://lab")
    assert await read(again, session) == shown
    assert (await made(again, idempotent=True))["session_id"] == session["session_id"]
