"""A body is read whole however it comes, also a second time, and never beyond its bound."""

import asyncio
import gzip

import pytest
from aiohttp import web

from sessions.web.bodies import read_body

BYTES_MAX = 10_000


@pytest.fixture
async def client(aiohttp_client):
    async def twice(request: web.Request) -> web.Response:
        first, second = await read_body(request), await read_body(request)
        assert first == second
        return web.Response(body=first)

    app = web.Application(client_max_size=BYTES_MAX)
    app.router.add_post("/", twice)
    return await aiohttp_client(app)


async def in_pieces(data, pause_s):
    for start in range(0, len(data), 3):
        yield data[start : start + 3]
        await asyncio.sleep(pause_s)


@pytest.mark.parametrize("body", [b"", b"word", b"x" * BYTES_MAX])
async def test_a_body_that_comes_at_once(client, body) -> None:
    answer = await client.post("/", data=body)
    assert (answer.status, await answer.read()) == (200, body)


@pytest.mark.parametrize("pause_s", [0, 0.01])
async def test_a_body_that_comes_in_pieces(client, pause_s) -> None:
    answer = await client.post("/", data=in_pieces(b"some words", pause_s))
    assert (answer.status, await answer.read()) == (200, b"some words")


@pytest.mark.parametrize(
    ("size", "status"), [(BYTES_MAX, 200), (BYTES_MAX + 1, 413), (1 << 20, 413)]
)
async def test_a_body_that_is_larger_than_it_looks(client, size, status) -> None:
    packed = gzip.compress(b"\0" * size)
    answer = await client.post("/", data=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status == status
    assert (await answer.read() == b"\0" * size) == (status == 200)
    # The connection goes on, or there is a new one.
    assert (await client.post("/", data=b"next")).status == 200
