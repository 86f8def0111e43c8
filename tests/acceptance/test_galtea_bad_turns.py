"""Galtea: what no client should send, to every route of turns, spans, runs and the simulator.

Sections are those of the Galtea contract.
"""

import io
import json
import uuid

import pytest

from sessions.dialects.galtea import room
from sessions.dialects.galtea.routes import SURFACE
from sessions.dialects.galtea.turn_routes import TURN_ROUTES
from tests.support.galtea import ERROR, post, product
from tests.support.service import ask, bearer, client_of_a_tenant, nothing_written, raw

BODIES = [
    *(b"", b"{", b"null", b"[]", b'"x"', b"5", b"\xff", b'{"a":"\\ud800"}', b'{"a":"\\u0000"}'),
    b"[" * 100_000,
    b'{"input":' + b'{"a":' * 200 + b"1" + b"}" * 201,
    b'{"sessionId":' + b'"' + b"x" * 200_000 + b'"}',
    b'{"maxTurns":' + b"9" * 5_000 + b"}",
]
IDS = ["%00", "x%FF", "..%2F..", "%F0%9F%92%A9", "a" * 2_000, "inferenceResult_" + "z" * 33, "run_"]
QUERIES = [
    *("limit=-1", "limit=x", "limit=10001", "offset=-1", "offset=99999999999999999999"),
    *("sort=x", "sort=createdAt", "sort=createdAt,asc", "sort[]=startTime&sort[]=up"),
    *("fromCreatedAt=x", "toCreatedAt=2026-99-01", "statuses=x", "types=x", "includeRejected=1"),
]


@pytest.fixture
async def client(aiohttp_client, shared):
    return await client_of_a_tenant(aiohttp_client, shared)


def routes(*methods):
    return [(r.method, f"/galtea{r.path}") for r in TURN_ROUTES if r.method in methods]


async def status_of(client, method, path, **request):
    async with client.request(method, path, **request) as answer:
        body = await answer.read()
        assert answer.status < 500, (method, path, answer.status, body)
        if answer.status >= 400 and answer.content_type == "application/json":
            assert set(json.loads(body)) == ERROR
        return answer.status


async def test_a_key_is_needed(aiohttp_client, client):
    """Section 2: for every route but those that tell what routes there are."""
    anonymous = await aiohttp_client(client.server)
    for route in SURFACE.routes:
        path = SURFACE.prefix + route.path.replace("{id}", "x")
        open_to_all = route.name in ("entrance", "openapi")
        for headers in ({}, bearer("gsk_wrong")):
            status = await status_of(anonymous, route.method, path, json={}, headers=headers)
            assert status == (200 if open_to_all else 401), path


async def test_the_command_line_is_led_to_the_document(client):
    """Section 7; it would keep what does not forbid it."""
    async with client.get("/galtea/") as answer:
        link = answer.headers["Link"]
        assert link == '</galtea/openapi.json>; rel="service-desc"'
        assert answer.headers["Cache-Control"] == "no-store"
    async with client.get("/galtea/openapi.json") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await answer.json())["openapi"] == "3.1.0"


async def test_bodies_that_are_no_request(client):
    """Section 2: 400 with a message, and nothing is written."""
    turn = await a_turn(client)
    async with nothing_written(client):
        for method, path in routes("POST", "PATCH"):
            for body in BODIES:
                named = path.replace("{id}", turn["id"])
                status = await status_of(client, method, named, data=body)
                ignored = method == "PATCH" and body.startswith((b'{"sessionId"', b'{"maxTurns"'))
                if not path.endswith("/close") and not ignored:
                    assert status in (400, 404, 413), (method, path, body[:40])


async def test_ids_that_nothing_is_called(client):
    """Sections 2 and 3."""
    for method, path in routes("GET", "PATCH", "DELETE", "POST"):
        for unknown in IDS:
            if "{id}" in path:
                named = path.replace("{id}", unknown)
                assert await status_of(client, method, named, json={}) == 404
            elif method == "GET":
                for name in ("ids", "ids[]"):
                    assert await status_of(client, method, f"{path}?{name}={unknown}") == 404


async def test_queries_that_ask_for_nothing_there_is(client):
    """Section 5."""
    session = (await a_turn(client))["sessionId"]
    for method, path in routes("GET"):
        if "{id}" in path:
            continue
        for query in QUERIES:
            status = await status_of(client, method, f"{path}?sessionIds={session}&{query}")
            assert status in (200, 400)


async def test_a_path_that_is_not_utf_8(client):
    """Section 2."""
    for _, path in routes("GET"):
        named = path.replace("{id}", "\xff").encode("latin-1")
        status, _, _ = await raw(client, b"GET " + named + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert 400 <= status < 500


async def test_numbers_that_no_64_bits_hold(client):
    """Section 6: whatever JSON holds is kept or refused."""
    session = (await a_turn(client))["sessionId"]
    for number in (1 << 63, -(1 << 64), 10**30, 1e308, 10**309):
        body = json.dumps({"sessionId": session, "input": {"n": number}})
        status = await status_of(client, "POST", "/galtea/inferenceResults", data=body)
        assert status in (201, 400)
    found = await ask(client, "GET", f"/galtea/inferenceResults?sessionIds={session}")
    assert len(found) > 1


async def test_a_turn_that_is_too_large(client):
    """Section 2: 413, and the session takes the next one."""
    session = (await a_turn(client))["sessionId"]
    for chars, statuses in ((1 << 20, {413}), (1_040_000, {201, 413})):
        body = json.dumps({"sessionId": session, "input": "x" * chars}).encode()
        path = "/galtea/inferenceResults"
        assert await status_of(client, "POST", path, data=io.BytesIO(body)) in statuses
    await post(client, "inferenceResults", sessionId=session, input="small")


async def a_turn(client):
    made = await product(client, uuid.uuid4().hex)
    session = await post(client, "sessions", productId=made["id"])
    return await post(client, "inferenceResults", sessionId=session["id"], input="a")


async def test_a_list_that_would_hold_too_much(client, monkeypatch):
    """No list takes more memory than there is room for: it says so, and a smaller one is there."""
    made = await product(client, uuid.uuid4().hex)
    session = await post(client, "sessions", productId=made["id"])
    turns = [
        await post(client, "inferenceResults", sessionId=session["id"], input="x" * 1_000)
        for _ in range(2)
    ]
    for turn in turns:
        span = {"inferenceResultId": turn["id"], "name": "n", "inputData": "x" * 1_000}
        await post(client, "traces", **span)
    monkeypatch.setattr(room, "BYTES_MAX", 2_000)
    of = f"sessionIds={session['id']}"
    for path in (
        f"inferenceResults?{of}",
        f"inferenceResults?ids={turns[0]['id']}&ids={turns[1]['id']}",
        f"traces?{of}",
    ):
        refused = await ask(client, "GET", f"/galtea/{path}", 400)
        assert set(refused) == ERROR
        assert "ask for less" in refused["message"]
    assert len(await ask(client, "GET", f"/galtea/inferenceResults?ids={turns[0]['id']}")) == 1
    assert len(await ask(client, "GET", f"/galtea/traces?inferenceResultIds={turns[0]['id']}")) == 1
    for name in ("a", "b"):
        await post(client, "products", name=name, description="x" * 1_000)
    await ask(client, "GET", "/galtea/products", 400)
    assert len(await ask(client, "GET", "/galtea/products?limit=1")) == 1
