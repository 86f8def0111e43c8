"""WAVE: changing, labelling and removing a session. Sections are those of the WAVE contract."""

import asyncio
from typing import Any

import pytest

from tests.support import service
from tests.support.service import SESSIONS, ask, bearer, client_of, move, start
from tests.support.wave import has_cors, make, read

ADMIN = bearer(service.ADMIN)
MADE: dict[str, Any] = {
    "tests": {"include": ["/a", "/b?x=1"], "exclude": ["/a/x"]},
    "types": ["automatic"],
    "timeouts": {"automatic": 7, "manual": 8, "/a": 9},
    "reference_tokens": ["ce2dc080-c283-11e9-b4d6-e046513784c2"],
    "labels": ["one"],
    "expiration_date": "2100-01-01T00:00:00Z",
}
# What a PUT does to a session that was made as above; what is not named stays.
BARE = {"timeouts": {"automatic": 7, "manual": 8}, "reference_tokens": []}
UPDATES: list[tuple[Any, dict[str, Any]]] = [
    ({}, BARE),
    ([], BARE),
    (None, BARE),
    ({"unknown": 1}, BARE),
    ({"tests": None, "types": None, "timeouts": None, "reference_tokens": None}, BARE),
    ({"tests": {}}, BARE),
    ({"tests": {"include": ["/c"]}}, {**BARE, "tests": {"include": ["/c"], "exclude": ["/a/x"]}}),
    ({"tests": {"include": []}}, {**BARE, "tests": {"include": [], "exclude": ["/a/x"]}}),
    ({"tests": {"exclude": []}}, {**BARE, "tests": {"include": ["/a", "/b?x=1"], "exclude": []}}),
    ({"types": []}, {**BARE, "types": []}),
    ({"types": ["manual", "automatic"]}, {**BARE, "types": ["manual", "automatic"]}),
    ({"timeouts": {"manual": 1}}, {**BARE, "timeouts": {"manual": 1, "automatic": 7}}),
    ({"timeouts": {"/b": 2}}, {**BARE, "timeouts": {"/b": 2, "automatic": 7, "manual": 8}}),
    ({"timeouts": {"/a": None, "automatic": None}}, BARE),
    ({"reference_tokens": ["x"]}, {**BARE, "reference_tokens": ["x"]}),
    ({"labels": ["two"], "expiration_date": None}, BARE),
    ({"labels": 5, "expiration_date": [1]}, BARE),
    ({"type": "dpctf"}, BARE),
]


@pytest.fixture
async def admin(aiohttp_client, shared):
    return await client_of(aiohttp_client, shared)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


async def made_public(admin):
    """The token of a public session; only the native API can make one."""
    spec = {"is_public": True}
    return (await service.create(admin, "test_run", labels=["kept"], spec=spec))["id"]


async def test_what_a_put_changes_and_what_it_keeps(client):
    """Section 1.2, Update: missing parts stay, custom time-outs and references do not."""
    for sent, changed in UPDATES:
        token = await make(client, MADE)
        before = await read(client, token)
        answer = await client.put(f"/api/sessions/{token}", json=sent)
        assert (answer.status, await answer.read()) == (200, b""), sent
        assert has_cors(answer)
        after = await read(client, token)
        assert after == {**before, **changed}, sent
        assert list(after["timeouts"]) == list(changed["timeouts"])
        status = await (await client.get(f"/api/sessions/{token}/status")).json()
        assert status["expiration_date"] == "2100-01-01T00:00:00+00:00"


async def test_updates_at_the_same_moment_do_not_undo_each_other(client):
    """Section 1.2, Update: what is not given keeps its value."""
    token = await make(client, MADE)
    parts = {"include": ["/new"], "exclude": ["/new/x"]}
    sent = [client.put(f"/api/sessions/{token}", json={"tests": {k: v}}) for k, v in parts.items()]
    assert [answer.status for answer in await asyncio.gather(*sent)] == [200, 200]
    assert (await read(client, token))["tests"] == parts


async def test_an_empty_body_is_an_update_too(client):
    """Section 1.2, Update."""
    token = await make(client, MADE)
    assert (await client.put(f"/api/sessions/{token}")).status == 200
    assert (await read(client, token))["reference_tokens"] == []


async def test_only_a_pending_session_is_configured(client, admin):
    """Sections 1.2 and 2.2: later a PUT is ignored with 200."""
    for path in (["running"], ["queued"], ["running", "paused"], ["stopped"], ["completed"]):
        token = await make(client, MADE)
        await move(admin, {"id": token}, *path)
        before = await read(client, token)
        answer = await client.put(f"/api/sessions/{token}", json={"types": ["manual"]})
        assert (answer.status, await answer.read()) == (200, b"")
        assert await read(client, token) == before


WRONG = [
    *({"tests": 1}, {"tests": {"include": "/a"}}, {"tests": {"exclude": [1]}}),
    *({"types": "automatic"}, {"types": ["other"]}, {"timeouts": {"manual": "x"}}),
    *({"timeouts": {"/a": 2**60}}, {"timeouts": []}, {"reference_tokens": [None]}, {"type": 1}),
    *(1, "x", True),
]


async def test_wrong_types_are_refused_and_change_nothing(client):
    """Section 1.1: where the original stores what breaks it later."""
    token = await make(client, MADE)
    before = await read(client, token)
    for body in WRONG:
        answer = await client.put(f"/api/sessions/{token}", json=body)
        assert (answer.status, set(await answer.json())) == (400, {"error"}), body
    for raw in (b"{", b"\xff", b'{"types": ["\\ud800"]}'):
        answer = await client.put(f"/api/sessions/{token}", data=raw)
        assert (answer.status, await answer.json()) == (400, {"error": "Invalid json data!"})
    assert await read(client, token) == before


async def test_tokens_that_nobody_has(client):
    """Sections 1.2 and 1.9."""
    for token in ("0" * 36, "x", "public", "%00" * 36):
        for method in ("PUT", "DELETE"):
            answer = await client.request(method, f"/api/sessions/{token}")
            assert (answer.status, await answer.read()) == (404, b"")
        assert (await client.get(f"/api/sessions/{token}/labels")).status == 404
        assert (await client.put(f"/api/sessions/{token}/labels", json=["a"])).status == 200


async def test_a_deleted_session_is_gone_for_every_api(client, admin):
    """Section 1.2; its history stays, as that of any session (design section 1)."""
    token = await make(client)
    answer = await client.delete(f"/_wave/api/sessions/{token}")
    assert (answer.status, await answer.read()) == (200, b"")
    for path in (token, token[:20], f"{token}/status", f"{token}/labels"):
        assert (await client.get(f"/api/sessions/{path}")).status == 404
    assert (await client.delete(f"/api/sessions/{token}")).status == 404
    history = await ask(admin, "GET", f"{SESSIONS}/{token}/events")
    assert history["items"][-1]["events"][-1]["type"] == "session.deleted"


async def test_a_running_session_is_stopped_when_it_is_deleted(client, admin):
    """Section 1.2."""
    token = await make(client)
    await move(admin, {"id": token}, "running")
    await client.delete(f"/api/sessions/{token}")
    history = await ask(admin, "GET", f"{SESSIONS}/{token}/events")
    assert [event["type"] for event in history["items"][-1]["events"]] == [
        "session.status_changed",
        "session.deleted",
    ]


async def test_a_public_session_stays_as_it_is(client, admin):
    """Section 1.9: not deleted, not relabelled; that is how the original says no, with a 200."""
    token = await made_public(admin)
    assert (await client.delete(f"/api/sessions/{token}")).status == 200
    assert (await client.put(f"/api/sessions/{token}/labels", json=["new"])).status == 200
    found = await read(client, token)
    assert (found["is_public"], found["labels"]) == (True, ["kept"])


async def test_public_sessions_are_listed_in_order(aiohttp_client, tmp_path):
    """Section 1.2."""
    admin = await start(aiohttp_client, tmp_path)
    client = await aiohttp_client(admin.server)
    answer = await client.get("/api/sessions/public")
    assert (answer.status, await answer.json()) == (200, [])
    tokens = [await made_public(admin) for _ in range(3)]
    await make(client)
    await service.create(admin, "test_run", spec={"is_public": "true"})
    await service.create(admin, "browser", spec={"is_public": True})
    for path in ("/api/sessions/public", "/_wave/api//sessions/public/"):
        assert await (await client.get(path)).json() == tokens
    await ask(admin, "DELETE", f"{SESSIONS}/{tokens[1]}", 204)
    assert await (await client.get("/api/sessions/public")).json() == [tokens[0], tokens[2]]


async def test_labels_in_both_forms_and_at_any_time(client, admin):
    """Sections 1.2, 1.9 and 2.2."""
    token = await make(client, {"labels": ["first"]})
    path = f"/api/sessions/{token}/labels"
    sent: list[tuple[Any, list[str], str]] = [
        (["a", "b"], ["a", "b"], "queued"),
        ({"labels": ["é", "日本", "🦊"]}, ["é", "日本", "🦊"], "running"),
        ({"labels": []}, [], "paused"),
        (["x"], ["x"], "stopped"),
        (None, ["x"], ""),
        ({}, ["x"], ""),
        ({"labels": None}, ["x"], ""),
    ]
    for body, expected, following in sent:
        answer = await client.put(path, json=body)
        assert (answer.status, await answer.read()) == (200, b"")
        answer = await client.get(path)
        assert (answer.status, await answer.json()) == (200, expected)
        assert (await read(client, token))["labels"] == expected
        if following:
            await move(admin, {"id": token}, following)
    assert (await client.put(path)).status == 200
    assert await (await client.get(path)).json() == ["x"]


WRONG_LABELS = ["text", 1, [1], [None], ["a", {}], {"labels": "a"}, {"labels": [1]}, ["x" * 257]]


async def test_labels_of_a_wrong_type_are_refused(client):
    """Section 1.2: where the original stores a text as it is, and crashes on a number."""
    token = await make(client, {"labels": ["kept"]})
    path = f"/api/sessions/{token}/labels"
    for body in (*WRONG_LABELS, [""], [str(n) for n in range(65)]):
        answer = await client.put(path, json=body)
        assert (answer.status, set(await answer.json())) == (400, {"error"}), body
    answer = await client.put(path, data=b"[")
    assert (answer.status, await answer.json()) == (400, {"error": "Invalid json data!"})
    assert await (await client.get(path)).json() == ["kept"]


async def test_changes_are_for_those_who_may_write(client, admin):
    """Design section 6."""
    token = await make(client, {"labels": ["kept"]})
    header = {"X-API-Key": (await service.new_key(admin, "default", "sessions:read"))["key"]}
    path = f"/api/sessions/{token}"
    assert (await client.put(path, json={}, headers=header)).status == 403
    assert (await client.delete(path, headers=header)).status == 403
    assert (await client.put(f"{path}/labels", json=[], headers=header)).status == 403
    other = {"X-API-Key": (await service.new_key(admin, "other"))["key"]}
    assert (await client.put(path, json={}, headers=other)).status == 404
    assert (await client.put(f"{path}/labels", json=[], headers=other)).status == 200
    assert (await read(client, token))["labels"] == ["kept"]
