"""WAVE's sessions API: nothing that is sent is a crash (section 1.1)."""

import pytest
from yarl import URL

from tests.support.service import start
from tests.support.wave import few_tests, make, read

CALLS = [
    *(("PUT", ""), ("POST", "/start"), ("POST", "/pause"), ("POST", "/stop"), ("POST", "/resume")),
    *(("GET", ""), ("GET", "/labels"), ("PUT", "/labels"), ("POST", "/events"), ("GET", "/status")),
    *(("GET", "/events"), ("GET", "/events?last_event=-1")),
]
TOKENS = [
    *("%2e%2e", "..%2f..%2fetc", "a" * 4000, "%00", "%ff%fe", "%F0%9F%A6%8A", "public", "null"),
    *("0" * 36, "%ED%A0%80" * 12, "-" * 36, "'" * 36, "%25" * 36, "http:%2F%2Fx"),
]
BODIES = [
    *(b"", b"{}", b"[]", b"null", b"1", b'"x"', b"{", b"\xff", b"[1e999]", b"[" * 5000),
    *(b'{"type": "a", "data": {"\\u0000": 1}}', b'{"labels": ["\\ud800"]}', b'["\\u0000"]'),
    *(b'{"timeouts": {"a": 1e999}}', b'{"timeouts": {"a": NaN}}', b'{"resume_token": "\\u0000"}'),
    b'{"tests": {"include": ["(", "%s"]}}' % (b"x" * 100_000),
]


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path, wave_poll_s=0.001, wave_tests=few_tests(tmp_path))


async def statuses(client, token):
    """Every status that is answered to every call with every body."""
    root = f"http://{client.server.host}:{client.server.port}/api/sessions"
    seen = set()
    for method, tail in CALLS:
        for body in [None] if method == "GET" else BODIES:
            url = URL(f"{root}/{token}{tail}", encoded=True)
            async with client.session.request(method, url, data=body) as answer:
                seen.add(answer.status)
    return seen


async def test_tokens_that_are_none(client):
    for token in TOKENS:
        assert await statuses(client, token) <= {200, 400, 404}, token


async def test_bodies_that_are_none(client):
    token = await make(client)
    assert await statuses(client, token) <= {200, 400, 404}
    for tail in ("%00", "%20", "%2F"):
        assert await statuses(client, token + tail) <= {200, 400, 404}


async def test_a_pattern_is_text(client):
    """Section 3.2: what would be a pattern of the original, or break it, is kept as it is."""
    token = await make(client)
    include = ["/a.*", "(", "[", "\\", "/../..", "http://x/", "/%2e%2e/"]
    answer = await client.put(f"/api/sessions/{token}", json={"tests": {"include": include}})
    assert answer.status == 200
    assert (await read(client, token))["tests"]["include"] == include
    assert (await client.post(f"/api/sessions/{token}/start")).status == 200
