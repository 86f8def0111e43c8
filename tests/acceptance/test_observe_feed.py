"""The same feed as server-sent events and as a long poll."""

import asyncio
import time

import msgspec
import pytest

from sessions.web.appkeys import FEED as FEED_KEY
from sessions.web.appkeys import LOG
from tests.support.feeds import FEED, SSE, expected, read_sse, stored
from tests.support.service import (
    ADMIN,
    SESSIONS,
    ask,
    bearer,
    create,
    move,
    new_key,
    raw,
    refused,
    start,
)

SOON_S = 0.05


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def poll(client, **query):
    return await ask(client, "GET", FEED, params={k: str(v) for k, v in query.items()})


async def test_server_sent_events_tell_what_was_and_what_comes(client):
    session = await create(client)
    async with client.get(FEED, params={"after": 0}, headers=SSE) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        hello = await read_sse(answer.content)
        assert (hello.event, hello.id, hello.data["head"]) == ("hello", 0, 1)
        event = await read_sse(answer.content)
        assert (event.event, event.id) == ("event", 1)
        assert event.data.pop("type") == "event"
        assert event.data == await stored(client, 1)
        assert (await read_sse(answer.content)).event == "caught_up"
        for position in (2, 3, 4):
            await move(client, session, ("running", "paused", "running")[position - 2])
            event = await read_sse(answer.content)
            assert (event.event, event.id) == ("event", position)


async def test_the_last_event_id_is_where_it_goes_on_whatever_the_address_says(client):
    for _ in range(5):
        await create(client)
    headers = {**SSE, "Last-Event-ID": "3"}
    for query in ({}, {"after": 0}, {"after": 5}):
        async with client.get(FEED, params=query, headers=headers) as answer:
            told = [await read_sse(answer.content) for _ in range(4)]
        assert [(one.event, one.id) for one in told] == [
            ("hello", 3),
            ("event", 4),
            ("event", 5),
            ("caught_up", 5),
        ]
    headers["Last-Event-ID"] = "x"
    await refused(client, "GET", FEED, 400, "bad_position", headers=headers)


async def test_every_id_is_a_cursor_also_that_of_a_ping(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, heartbeat_s=0.05)
    await create(client, "vm")
    async with client.get(FEED, params={"kind": "vm", "after": 0}, headers=SSE) as answer:
        while (told := await read_sse(answer.content)).event != "caught_up":
            pass
        await create(client, "agent")
        while told.id < 2:
            told = await read_sse(answer.content)
        assert (told.event, told.data) == ("ping", {"type": "ping", "position": 2})


async def test_a_gap_is_told_by_server_sent_events_too(client):
    await create(client)
    async with client.get(FEED, params={"after": 9}, headers=SSE) as answer:
        told = [await read_sse(answer.content) for _ in range(3)]
    assert [one.event for one in told] == ["hello", "gap", "caught_up"]
    assert told[1].data["reason"] == "beyond_head"


async def test_a_client_of_http_1_0_gets_the_events_without_chunks(client):
    await create(client)
    host, port = client.server.host, client.server.port
    reader, writer = await asyncio.open_connection(host, port)
    head = f"GET {FEED}?after=0 HTTP/1.0\r\nAuthorization: Bearer {ADMIN}\r\n"
    writer.write(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b"chunked" not in answer
    assert [(await read_sse(reader)).event for _ in range(3)] == ["hello", "event", "caught_up"]
    await create(client)
    assert (await read_sse(reader)).id == 2
    writer.close()


async def test_head_tells_of_the_feed_without_opening_it(client):
    head = f"HEAD {FEED} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {ADMIN}\r\n"
    for accept in ("text/event-stream", "application/json"):
        request = f"{head}Accept: {accept}\r\nConnection: close\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
        writer.write(request)
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        top, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in top.splitlines()[0]
        assert accept.encode() in top
        assert body == b""


async def test_a_poll_answers_what_there_is_without_waiting(client):
    await create(client)
    await create(client)
    page = await poll(client, after=0)
    assert page["epoch"] == client.server.app[LOG].head().epoch
    assert page["position"] == 2
    assert page["items"] == [await stored(client, 1), await stored(client, 2)]
    assert await poll(client, after=2) == {**page, "items": []}


async def test_a_poll_without_a_position_begins_now(client):
    await create(client)
    assert await poll(client) == {**await poll(client), "items": [], "position": 1}
    waiting = asyncio.create_task(poll(client, wait=60))
    await asyncio.sleep(SOON_S)
    # One that comes before the poll does is not told of: then the next one is.
    made = []
    while not waiting.done():
        made.append((await create(client))["position"])
        await asyncio.sleep(SOON_S)
    told = [item["position"] for item in (await waiting)["items"]]
    assert told
    assert set(told) <= set(made)


async def test_a_poll_also_reads_what_was_before_the_last_start(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    for _ in range(5):
        await create(client)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    for wait in (0, 0.01, 1):
        page = await poll(client, after=1, wait=wait)
        assert [item["position"] for item in page["items"]] == [2, 3, 4, 5]


@pytest.mark.parametrize("way", ["poll", "events"])
async def test_what_is_on_the_disk_but_not_yet_answered_is_not_told(aiohttp_client, tmp_path, way):
    """Else the position that a client goes on from is beyond a head that lags behind the disk."""
    client = await start(aiohttp_client, tmp_path)
    for _ in range(3):
        await create(client)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    client.server.app[FEED_KEY].head = 2
    if way == "poll":
        page = await poll(client, after=0, wait=0.1)
        assert ([item["position"] for item in page["items"]], page["position"]) == ([1, 2], 2)
    else:
        async with client.get(FEED, params={"after": 0}, headers=SSE) as answer:
            told = [await read_sse(answer.content) for _ in range(4)]
        assert [(one.event, one.id) for one in told[1:]] == [
            ("event", 1),
            ("event", 2),
            ("caught_up", 2),
        ]


async def test_a_poll_waits_for_something_that_its_filter_takes(client):
    await create(client, "vm")
    waiting = asyncio.create_task(poll(client, after=1, wait=60, kind="vm"))
    await asyncio.sleep(SOON_S)
    await create(client, "agent")
    await asyncio.sleep(SOON_S)
    assert not waiting.done()
    await create(client, "vm")
    page = await waiting
    assert ([item["position"] for item in page["items"]], page["position"]) == ([3], 3)


async def test_a_poll_that_finds_nothing_ends_in_time_and_has_come_on(client):
    await create(client, "vm")
    for _ in range(3):
        await create(client, "agent")
    began = time.monotonic()
    async with asyncio.timeout(30):  # and not the 60 that it may wait at most
        page = await poll(client, after=1, wait=0.2, kind="vm")
    assert time.monotonic() - began > 0.15
    assert (page["items"], page["position"]) == ([], 4)


async def test_a_poll_takes_no_more_than_its_limit_and_goes_on_from_there(client):
    for number in range(10):
        await create(client, "vm" if number % 2 else "agent")
    for limit in (1, 2, 3, 5, 1000):
        seen, after, page = [], 0, {"items": [None]}
        while page["items"]:
            page = await poll(client, after=after, limit=limit, kind="vm")
            assert len(page["items"]) <= limit
            seen += [item["position"] for item in page["items"]]
            after = page["position"]
        assert seen == await expected(client, [("kind", "vm")])


async def test_a_page_of_large_commits_is_cut_by_its_size_and_loses_nothing(client):
    path = f"{SESSIONS}/{(await create(client))['id']}/messages"
    for _ in range(50):
        await ask(client, "POST", path, 201, json={"content": "x" * 200_000})
    seen, after = [], 0
    while after < 51:
        async with client.get(FEED, params={"after": after, "limit": 1000}) as answer:
            body = await answer.read()
        assert len(body) < (4 << 20) + 300_000
        page = msgspec.json.decode(body)
        seen += [item["position"] for item in page["items"]]
        after = page["position"]
    assert seen == list(range(1, 52))


async def test_a_poll_is_of_one_tenant(client):
    ours = bearer((await new_key(client, "ours"))["key"])
    await create(client)
    mine = await create(client, headers=ours)
    for tenant in ({}, {"tenant": "default"}):
        page = await ask(client, "GET", FEED, params={"after": 0, **tenant}, headers=ours)
        assert [item["position"] for item in page["items"]] == [mine["position"]]


async def test_a_poll_beyond_the_head_is_told_where_the_head_is(client):
    await create(client)
    assert (await poll(client, after=99))["position"] == 1


async def test_a_bad_poll_is_refused(client, subtests):
    for query, code in (
        ("after=x", "bad_position"),
        ("after=", "bad_position"),
        ("wait=-1", "invalid_query"),
        ("wait=61", "invalid_query"),
        ("wait=nan", "invalid_query"),
        ("limit=0", "invalid_query"),
        ("limit=1001", "invalid_query"),
        ("kind=x", "invalid_query"),
        ("x=1", "invalid_query"),
    ):
        with subtests.test(query=query):
            await refused(client, "GET", f"{FEED}?{query}", 400, code)
    for query in ("wait=1", "limit=1"):
        with subtests.test(query=query):
            await refused(client, "GET", f"{FEED}?{query}", 400, "invalid_query", headers=SSE)


async def test_a_client_that_leaves_while_it_waits_harms_nobody(client):
    for accept in ("text/event-stream", "*/*"):
        head = f"GET {FEED}?wait=50 HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {ADMIN}\r\n"
        waiting = asyncio.create_task(raw(client, f"{head}Accept: {accept}\r\n\r\n".encode()))
        await asyncio.sleep(SOON_S)
        waiting.cancel()
    session = await create(client)
    assert (await poll(client, after=0))["position"] == session["position"]
