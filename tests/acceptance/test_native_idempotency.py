"""What carries an Idempotency-Key happens once, whoever asks again and whenever."""

import asyncio

import pytest

from tests.support.service import (
    SESSIONS,
    ask,
    bearer,
    create,
    ids_of_list,
    move,
    new_key,
    refused,
    start,
)


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def post(client, path, body, key="k", **headers):
    """Status, body and the headers that tell of the session, of one request."""
    headers = {"Idempotency-Key": key, **headers}
    async with client.post(path, json=body, headers=headers) as answer:
        told = {n: answer.headers.get(n) for n in ("Location", "ETag", "Session-Position")}
        return answer.status, await answer.read(), told


async def three_ways(client):
    """A create, a transition and a message: where they go and what they say."""
    path = f"{SESSIONS}/{(await create(client, metadata={'f': 1.0}))['id']}"
    return [
        (SESSIONS, {"kind": "vm", "metadata": {"n": 1.0, "z": [1, "é"]}, "labels": ["b", "a"]}),
        (f"{path}/transitions", {"to": "running", "reason": "requested", "detail": "d"}),
        (f"{path}/messages", {"content": "hello", "data": {"x": 1}}),
    ]


async def test_the_same_request_gets_the_same_answer_even_after_a_restart(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    ways = await three_ways(client)
    first = [await post(client, path, body, key=path) for path, body in ways]
    assert [status for status, _, _ in first] == [201, 200, 201]
    # What happened since must not show.
    session = {"id": ways[1][0].split("/")[4]}
    await ask(client, "PATCH", f"{SESSIONS}/{session['id']}", json={"title": "later"})
    await move(client, session, "paused")
    assert [await post(client, path, body, key=path) for path, body in ways] == first
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert [await post(client, path, body, key=path) for path, body in ways] == first
    assert len(await ids_of_list(client)) == 2
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    assert [await post(client, path, body, key=path) for path, body in ways] == first


async def test_the_same_key_with_another_request_is_refused(client):
    ways = await three_ways(client)
    for path, body in ways:
        await post(client, path, body, key=path)
        other = {**body, **({"detail": "e"} if "to" in body else {})}
        other |= {"title": "x"} if "kind" in body else {}
        other |= {"role": "agent"} if "content" in body else {}
        headers = {"Idempotency-Key": path}
        await refused(
            client, "POST", path, 422, "idempotency_key_reused", json=other, headers=headers
        )
    # The same words to another place are another request.
    session = await create(client)
    path, body = f"{SESSIONS}/{session['id']}/messages", ways[2][1]
    headers = {"Idempotency-Key": ways[2][0]}
    await refused(client, "POST", path, 422, "idempotency_key_reused", json=body, headers=headers)


@pytest.mark.parametrize("way", range(3))
async def test_twenty_at_once_happen_once(client, way):
    path, body = (await three_ways(client))[way]
    before = len(await ids_of_list(client))
    answers = await asyncio.gather(*(post(client, path, body) for _ in range(20)))
    assert len({(status, text) for status, text, _ in answers}) == 1
    assert answers[0][0] in (200, 201)
    made = 1 if way == 0 else 0
    assert len(await ids_of_list(client)) == before + made
    if way:
        session = path.rsplit("/", 1)[0]
        history = await ask(client, "GET", f"{session}/events")
        assert len(history["items"]) == 2


async def test_many_at_once_with_a_revision_happen_once_and_all_are_told_so(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}/messages"
    revision = {"If-Match": f'"{session["position"]}"'}
    asked = (post(client, path, {"content": "x"}, **revision) for _ in range(20))
    answers = await asyncio.gather(*asked)
    assert len({(status, text) for status, text, _ in answers}) == 1
    assert answers[0][0] == 201


async def test_the_same_key_of_another_tenant_is_another_key(client):
    one = bearer((await new_key(client, "one"))["key"])
    two = bearer((await new_key(client, "two"))["key"])
    body = {"kind": "vm"}
    answers = [await post(client, SESSIONS, body, **who) for who in (one, two, one, two)]
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0] != answers[1]
    other = {"kind": "agent"}
    headers = {**two, "Idempotency-Key": "fresh"}
    async with client.post(SESSIONS, json=other, headers=headers) as answer:
        assert answer.status == 201


async def test_what_was_refused_leaves_the_key_free(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}/transitions"
    headers = {"Idempotency-Key": "k"}
    body = {"to": "pausing"}
    await refused(client, "POST", path, 409, "transition_not_allowed", json=body, headers=headers)
    await move(client, session, "running")
    assert (await post(client, path, body))[0] == 200


async def test_a_request_that_changed_nothing_is_not_done_later_when_it_is_repeated(client):
    session = await move(client, await create(client), "running")
    path, body = f"{SESSIONS}/{session['id']}/transitions", {"to": "running"}
    first = await post(client, path, body)
    await move(client, session, "paused")
    assert await post(client, path, body) == first
    assert (await ask(client, "GET", f"{SESSIONS}/{session['id']}"))["status"] == "paused"


@pytest.mark.parametrize("key", ["", "has space", "ü", "x" * 256])
async def test_a_bad_key_is_refused(client, key):
    headers = {"Idempotency-Key": key}
    body = {"kind": "vm"}
    await refused(client, "POST", SESSIONS, 400, "bad_idempotency_key", json=body, headers=headers)
    assert (await post(client, SESSIONS, body, key="x" * 255))[0] == 201
