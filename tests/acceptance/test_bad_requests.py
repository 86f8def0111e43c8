"""Odd paths, queries, headers and methods are refused with a reason, or ignored."""

import msgspec
import pytest

from tests.support.service import ADMIN, API, PROBLEM, SESSIONS, ask, create, raw, refused, start

KEY = f"Authorization: Bearer {ADMIN}\r\nHost: test\r\n".encode()


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def test_odd_paths_and_queries_are_nothing_that_exists(client, subtests):
    for odd in (
        "%00",
        "%ED%A0%80",
        "%FF",
        "%zz",
        "%",
        "%2F",
        "..%2f",
        "%0dX:1",
        "ü",
        "x" * 2000,
    ):
        path = odd.encode()
        for where in (
            b"/api/v1/sessions/" + path,
            b"/api/v1/sessions/" + path + b"/events",
            b"/api/v1/vms/" + path,
            b"/" + path,
            b"/api/v1/sessions?kind=" + path,
            b"/api/v1/sessions?cursor=" + path,
            b"/api/v1/sessions?" + path + b"=1",
            b"/api/v1/feed?after=" + path,
            b"/api/v1/feed?session=" + path + b"&label=" + path + b"&tenant=" + path,
            b"/api/v1/sessions?label=" + path + b"&text=" + path + b"&owner=" + path,
            b"/api/v1/sessions?metadata." + path + b"=" + path + b"&tenant=" + path,
        ):
            with subtests.test(where=where[:60]):
                status, headers, body = await raw(
                    client, b"GET %b HTTP/1.1\r\n%b\r\n" % (where, KEY)
                )
                assert status in (200, 400, 404), body
                if status != 200 and odd.isascii():
                    assert headers["content-type"] == PROBLEM
                    assert msgspec.json.decode(body)["code"]


async def test_a_path_with_a_line_break_in_it_is_refused_as_any_other(client):
    request = b"GET /a%%0ab HTTP/1.1\r\n%b\r\n" % KEY
    status, headers, _ = await raw(client, request)
    assert (status, headers["content-type"]) == (404, PROBLEM)


async def test_odd_headers_are_refused_or_ignored(client, subtests):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}".encode()
    odd = (b"\xff\xfe", "ü".encode(), b"x" * 4000, b"a b", b"'; --", b"%00", b"-1", b"9" * 30)
    for name in (
        b"X-Request-Id",
        b"traceparent",
        b"If-Match",
        b"Session-Position",
        b"Idempotency-Key",
        b"X-API-Key",
        b"Content-Type",
        b"Accept",
    ):
        for value in odd:
            with subtests.test(name=name, value=value[:10]):
                head = b"PATCH %b HTTP/1.1\r\n%b%b: %b\r\nContent-Length: 2\r\n\r\n{}" % (
                    path,
                    KEY,
                    name,
                    value,
                )
                status, headers, body = await raw(client, head)
                assert status in (200, 400, 412), body
                assert len(headers["x-request-id"]) <= 128
                if status != 200:
                    assert headers["content-type"] == PROBLEM
    for value in odd:
        head = b"GET %b HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %b\r\n\r\n" % (path, value)
        assert (await raw(client, head))[0] == 401


async def test_an_if_match_that_is_no_revision_is_refused(client, subtests):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    for text in ("x", '"x"', "", '""', "-1", "1.0", 'W/"1"', "٣", "1, 2", "9" * 30):
        for method, body in (("PATCH", {}), ("DELETE", None)):
            with subtests.test(method=method, text=text):
                headers = {"If-Match": text}
                await refused(client, method, path, 400, "bad_if_match", json=body, headers=headers)
    headers = {"If-Match": "9" * 19}
    await refused(client, "PATCH", path, 412, "revision_mismatch", json={}, headers=headers)


async def test_a_good_traceparent_and_request_id_are_kept(client):
    headers = {"X-Request-Id": "r-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with client.post(SESSIONS, json={"kind": "vm"}, headers=headers) as answer:
        assert answer.headers["X-Request-Id"] == "r-1"
        session = await answer.json()
    feed = await ask(client, "GET", f"{API}/feed?after=0&session={session['id']}")
    assert feed["items"][0]["traceparent"] == headers["traceparent"]
    headers["traceparent"] = "00-zz-zz-01"
    session = await create(client, headers=headers)
    feed = await ask(client, "GET", f"{API}/feed?after=0&session={session['id']}")
    assert "traceparent" not in feed["items"][0]


async def test_what_nobody_serves_is_404_and_a_wrong_method_405(client, subtests):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    for where in ("/", "/api", "/api/v1", "/api/v2/sessions", f"{path}/none", f"{SESSIONS}/"):
        with subtests.test(where=where):
            await refused(client, "GET", where, 404, "no_such_route")
    for method, where, allowed in (
        ("PUT", SESSIONS, {"GET", "HEAD", "POST"}),
        ("DELETE", SESSIONS, {"GET", "HEAD", "POST"}),
        ("POST", path, {"GET", "HEAD", "PATCH", "DELETE"}),
        ("OPTIONS", path, {"GET", "HEAD", "PATCH", "DELETE"}),
        ("GET", f"{path}/transitions", {"POST"}),
        ("TRACE", f"{path}/messages", {"GET", "HEAD", "POST"}),
        ("PATCH", f"{API}/keys", {"GET", "HEAD", "POST"}),
    ):
        with subtests.test(method=method, where=where):
            await refused(client, method, where, 405, "method_not_allowed")
            async with client.request(method, where) as answer:
                assert set(answer.headers["Allow"].split(", ")) == allowed
