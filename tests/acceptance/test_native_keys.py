"""Keys: shown once, scoped, revocable, bound to a tenant, and never written down."""

import asyncio

import pytest
import structlog

from sessions.web.appkeys import LOG
from tests.support.logs import whole
from tests.support.service import API, SESSIONS, ask, bearer, create, move, new_key, refused, start

KEYS = f"{API}/keys"


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def test_a_key_is_shown_once_and_then_listed_without_its_secret(client):
    async with client.post(KEYS, json={"name": "ci"}) as answer:
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
        issued = await answer.json()
    secret = issued.pop("key")
    assert issued["name"] == "ci"
    assert issued["tenant"] == "default"
    assert issued["scopes"] == ["sessions:read", "sessions:write"]
    assert issued["revoked_at"] is None
    assert secret.startswith("sdk_")
    assert len(secret) >= 40
    listed = await ask(client, "GET", KEYS)
    assert listed == {"items": [issued]}
    assert await ask(client, "GET", SESSIONS, headers=bearer(secret))


async def test_keys_are_listed_oldest_first_and_all_differ(client):
    made = [await new_key(client, f"t{number}", prefix="gsk-") for number in range(5)]
    assert len({key["key"] for key in made}) == 5
    assert all(key["key"].startswith("gsk-") for key in made)
    listed = (await ask(client, "GET", KEYS))["items"]
    assert [key["id"] for key in listed] == [key["id"] for key in made]


OUT_OF_RANGE = [
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"tenant": ""}, "tenant"),
    ({"tenant": "x" * 201}, "tenant"),
    ({"prefix": "x" * 17}, "prefix"),
    ({"prefix": "ü"}, "prefix"),
    ({"prefix": "a\nb"}, "prefix"),
]


async def test_a_key_out_of_range_is_refused(client, subtests):
    for fields, field in OUT_OF_RANGE:
        with subtests.test(fields=str(fields)[:60]):
            body = {"name": "n", **fields}
            problem = await refused(client, "POST", KEYS, 422, "invalid_value", json=body)
            assert problem["errors"][0]["pointer"] == f"/{field}"


async def test_a_key_that_only_reads_is_refused_every_change(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    headers = bearer((await new_key(client, "default", "sessions:read"))["key"])
    for method, where, body in (
        ("POST", SESSIONS, {"kind": "vm"}),
        ("PATCH", path, {"title": "t"}),
        ("DELETE", path, None),
        ("POST", f"{path}/transitions", {"to": "running"}),
        ("POST", f"{path}/extend", {}),
        ("POST", f"{path}/messages", {"content": "c"}),
        ("POST", KEYS, {"name": "n"}),
        ("GET", KEYS, None),
        ("DELETE", f"{KEYS}/x", None),
        ("POST", f"{API}/views/rebuild", None),
        ("GET", f"{API}/views/rebuild", None),
    ):
        await refused(client, method, where, 403, "forbidden", json=body, headers=headers)
    assert await ask(client, "GET", path, headers=headers) == session
    for where in (SESSIONS, f"{path}/events", f"{path}/messages", f"{path}/vms", f"{API}/vms"):
        await ask(client, "GET", where, headers=headers)


async def test_a_key_that_only_writes_is_refused_every_read(client):
    headers = bearer((await new_key(client, "default", "sessions:write"))["key"])
    session = await create(client, headers=headers)
    path = f"{SESSIONS}/{session['id']}"
    for where in (SESSIONS, path, f"{path}/events", f"{path}/messages", f"{API}/feed"):
        await refused(client, "GET", where, 403, "forbidden", headers=headers)


async def test_a_revoked_key_opens_nothing_also_after_a_restart(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    kept, gone = await new_key(client, "default"), await new_key(client, "default")
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    for key in (kept, gone):
        assert await ask(client, "GET", SESSIONS, headers=bearer(key["key"]))
    asked = (ask(client, "DELETE", f"{KEYS}/{gone['id']}") for _ in range(5))
    answers = await asyncio.gather(*asked)
    assert answers[0]["revoked_at"]
    assert answers == answers[:1] * 5
    revocations = [
        recorded.commit.stream
        for recorded in await whole(client.server.app[LOG])
        if recorded.commit.events[0].type == "key.revoked"
    ]
    assert revocations == [f"key/{gone['id']}"]
    for _ in range(2):
        headers = bearer(gone["key"])
        await refused(client, "GET", SESSIONS, 401, "unauthorized", headers=headers)
        assert await ask(client, "GET", SESSIONS, headers=bearer(kept["key"]))
        await client.close()
        client = await start(aiohttp_client, tmp_path)
    await refused(client, "DELETE", f"{KEYS}/unknown", 404, "not_found")


async def test_to_another_tenant_a_session_looks_as_if_it_had_never_been(client):
    session = await create(client, headers=bearer((await new_key(client, "ours"))["key"]))
    gone = await create(client, headers=bearer((await new_key(client, "ours"))["key"]))
    await ask(client, "DELETE", f"{SESSIONS}/{gone['id']}", 204)
    headers = bearer((await new_key(client, "theirs"))["key"])
    for method, what, body in (
        ("GET", "", None),
        ("GET", "?wait=status:ended&timeout=0", None),
        ("PATCH", "", {"title": "t"}),
        ("DELETE", "", None),
        ("POST", "/transitions", {"to": "running"}),
        ("POST", "/extend", {"max_duration_s": 5}),
        ("POST", "/messages", {"content": "c"}),
        ("GET", "/messages", None),
        ("GET", "/events", None),
        ("GET", "/vms", None),
    ):
        problems = [
            await refused(
                client,
                method,
                f"{SESSIONS}/{session_id}{what}",
                404,
                "not_found",
                json=body,
                headers=headers,
            )
            for session_id in (session["id"], gone["id"], "never")
        ]
        assert problems == problems[:1] * 3, (method, what)
    assert (await ask(client, "GET", SESSIONS, headers=headers))["items"] == []


async def test_what_a_key_does_carries_its_tenant_and_its_name(client):
    headers = bearer((await new_key(client, "ours", name="robot"))["key"])
    session = await create(client, headers=headers)
    assert (session["tenant"], session["owner"], session["actor"]) == (
        "ours",
        "key:robot",
        "key:robot",
    )
    moved = await move(client, session, "running")
    assert (moved["tenant"], moved["actor"]) == ("ours", "key:admin")


async def test_a_secret_is_neither_in_the_data_folder_nor_in_the_log_lines(
    aiohttp_client, tmp_path
):
    with structlog.testing.capture_logs() as lines:
        client = await start(aiohttp_client, tmp_path)
        secrets = [(await new_key(client, "default"))["key"] for _ in range(3)]
        for secret in secrets:
            headers = bearer(secret)
            made = await create(client, headers=headers)
            await ask(client, "DELETE", f"{SESSIONS}/{made['id']}", 204, headers=headers)
            await refused(client, "GET", f"{SESSIONS}/none", 404, "not_found", headers=headers)
            await refused(
                client, "GET", SESSIONS, 401, "unauthorized", headers=bearer(secret + "x")
            )
            query = f"{API}/feed?api_key={secret}"
            await ask(client, "GET", query, headers={"Authorization": ""})
        while_open = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
        await client.close()
    closed = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert len(lines) > 12
    for secret in secrets:
        assert secret.encode() not in while_open + closed
        assert secret not in repr(lines)
