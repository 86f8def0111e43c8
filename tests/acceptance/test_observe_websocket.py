"""The websocket feed: catch up, live, filters, resuming, gaps, tenants."""

import asyncio

import pytest
from msgspec.structs import replace

from projections.events import CODEC
from projections.events.catalog import CatalogEntered
from projections.events.vm import VmReady, VmStarted, VmStopped
from sessions.web.appkeys import BROADCAST, LOG
from tests.support.feeds import OBSERVE, expected, observe, stored
from tests.support.logs import wish
from tests.support.machines import append, requested
from tests.support.service import SESSIONS, ask, bearer, create, move, new_key, refused, start


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def fill(client):
    """A bit of everything in two tenants; the sessions."""
    other = bearer((await new_key(client, "other"))["key"])
    red = await create(client, "vm", labels=["red"])
    both = await create(client, "agent", labels=["red", "big"])
    theirs = await create(client, "agent", headers=other, labels=["red"])
    await move(client, red, "running", "paused")
    machine = f"of {red['id']}"
    await append(client, machine, requested(red), VmStarted(), VmReady())
    await move(client, both, "queued", "running", "completed")
    await ask(client, "PATCH", f"{SESSIONS}/{red['id']}", json={"labels": ["green"]})
    await append(client, machine, VmStopped(reason="finished"))
    await ask(client, "DELETE", f"{SESSIONS}/{theirs['id']}", 204)
    return red, both, theirs


async def test_first_what_was_then_what_comes(client):
    made = [await create(client) for _ in range(3)]
    head = client.server.app[LOG].head()
    feed = await observe(client, {"after": 0})
    assert await feed.frame() == {"type": "hello", "epoch": head.epoch, "head": 3, "after": 0}
    for session in made:
        frame = await feed.frame()
        assert frame.pop("type") == "event"
        assert frame["stream"] == f"session/{session['id']}"
        assert frame == await stored(client, session["position"])
    assert await feed.frame() == {"type": "caught_up", "position": 3}
    for position in (4, 5, 6):
        await create(client)
        assert (await feed.frame())["position"] == position
    await asyncio.gather(*(create(client) for _ in range(50)))
    assert await feed.events(50) == list(range(7, 57))


async def test_without_a_position_only_what_comes_is_told(client):
    await create(client)
    feed = await observe(client)
    assert [frame["type"] for frame in await feed.until("caught_up")] == ["hello", "caught_up"]
    session = await create(client)
    assert await feed.events(1) == [session["position"]]


async def test_resuming_after_any_position_tells_the_rest(client):
    await fill(client)
    everything = await expected(client, [])
    head = client.server.app[LOG].head().size
    for after in range(head + 1):
        feed = await observe(client, {"after": after})
        hello, *events, caught_up = await feed.until("caught_up")
        assert hello["after"] == after
        assert [frame["position"] for frame in events] == [p for p in everything if p > after]
        assert caught_up["position"] == head
        await feed.socket.close()


async def test_each_filter_lets_through_what_it_names(client, subtests):
    red, both, theirs = await fill(client)
    filters = [
        [("session", red["id"])],
        [("session", red["id"]), ("session", theirs["id"])],
        [("session", "none")],
        [("kind", "vm")],
        [("kind", "agent"), ("kind", "browser")],
        [("status", "running")],
        [("status", "paused"), ("status", "starting"), ("status", "completed")],
        [("label", "red")],
        [("label", "red"), ("label", "big")],
        [("label", "none")],
        [("tenant", "other")],
        [("tenant", "none")],
        [("kind", "vm"), ("status", "running"), ("session", red["id"])],
        [("kind", "agent"), ("label", "red"), ("tenant", "default")],
        [("session", both["id"]), ("status", "running"), ("label", "big")],
    ]
    feeds = [(query, await observe(client, [*query, ("after", "0")])) for query in filters]
    told = {}
    for number, (_, feed) in enumerate(feeds):
        _, *events, _ = await feed.until("caught_up")
        told[number] = [frame["position"] for frame in events]
    for number, (query, _) in enumerate(feeds):
        with subtests.test(query=query, part="what was"):
            assert told[number] == await expected(client, query)
    assert sum(map(bool, told.values())) >= 12
    await fill(client)
    await append(client, "m2", requested(red), VmStarted())
    await move(client, red, "running")
    for number, (query, feed) in enumerate(feeds):
        with subtests.test(query=query, part="live"):
            wanted = await expected(client, query)
            more = await feed.events(len(wanted) - len(told[number]))
            assert told[number] + more == wanted


async def test_a_cursor_that_is_beyond_the_head_is_a_gap(client):
    await create(client)
    feed = await observe(client, {"after": 7})
    hello, gap, caught_up = await feed.until("caught_up")
    assert hello["after"] == 1
    assert gap == {"type": "gap", "from": 1, "to": 7, "reason": "beyond_head"}
    assert caught_up["position"] == 1
    session = await create(client)
    assert await feed.events(1) == [session["position"]]


async def test_a_cursor_of_another_log_is_a_gap_and_all_is_told_from_the_start(client):
    await create(client)
    await create(client)
    feed = await observe(client, {"after": 1, "epoch": "another"})
    hello, gap, *events, _ = await feed.until("caught_up")
    assert hello["after"] == 0
    assert gap == {"type": "gap", "from": 0, "to": 1, "reason": "other_log"}
    assert [frame["position"] for frame in events] == [1, 2]
    feed = await observe(client, {"after": 1, "epoch": hello["epoch"]})
    assert [f["type"] for f in await feed.until("caught_up")] == ["hello", "event", "caught_up"]


async def test_keys_and_catalogs_are_not_for_observers(client):
    live = await observe(client, {"after": 0})
    await live.until("caught_up")
    key = await new_key(client, "default")
    entered = wish("catalog/c1", 0, tenant="default")
    entry = CODEC.encode(CatalogEntered(type="product"))
    await client.server.app[LOG].append(replace(entered, events=(entry,)))
    await ask(client, "DELETE", f"/api/v1/keys/{key['id']}")
    session = await create(client)
    assert session["position"] == 4
    assert await live.events(1) == [4]
    feed = await observe(client, {"after": 0})
    frames = await feed.until("caught_up")
    assert [frame["position"] for frame in frames[1:]] == [4, 4]


async def test_a_tenant_is_told_of_its_own_and_of_nothing_else(client):
    ours = bearer((await new_key(client, "ours"))["key"])
    theirs = bearer((await new_key(client, "theirs"))["key"])
    mine = await create(client, headers=ours)
    secret = await create(client, headers=theirs, labels=["secret"])
    await append(client, "m1", requested(secret), tenant="theirs")
    feeds = [
        await observe(client, {"after": 0, **query}, headers=ours)
        for query in ({}, {"tenant": "theirs"}, {"session": secret["id"]}, {"label": "secret"})
    ]
    await move(client, secret, "running")
    await move(client, mine, "running")
    seen = [await feed.until("caught_up") for feed in feeds]
    told = [[f["stream"] for f in frames if f["type"] == "event"] for frames in seen]
    assert told[2:] == [[], []]
    assert set(told[0] + told[1]) == {f"session/{mine['id']}"}
    assert await feeds[0].events(2 - len(told[0])) is not None


@pytest.mark.parametrize("way", ["header", "x-api-key", "query"])
async def test_the_key_may_come_where_clients_put_it(client, way):
    secret = (await new_key(client, "default", "sessions:read"))["key"]
    nobody = {"Authorization": ""}
    await refused(client, "GET", OBSERVE, 401, "unauthorized", headers=nobody)
    match way:
        case "header":
            feed = await observe(client, headers=bearer(secret))
        case "x-api-key":
            feed = await observe(client, headers={**nobody, "X-API-Key": secret})
        case _:
            feed = await observe(client, {"api_key": secret}, headers=nobody)
    assert (await feed.frame())["type"] == "hello"
    wrong = f"{OBSERVE}?api_key=wrong"
    await refused(client, "GET", wrong, 401, "unauthorized", headers=nobody)


async def test_when_nothing_happens_a_ping_tells_how_far_it_is(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, heartbeat_s=0.25)
    session = await create(client)
    feed = await observe(client, {"kind": "vm"})
    await feed.until("caught_up")
    assert await feed.frame() == {"type": "ping", "position": session["position"]}
    session = await create(client)
    frame = await feed.frame()
    while frame["position"] < session["position"]:  # those of before the new session
        assert frame["type"] == "ping"
        frame = await feed.frame()
    assert frame == {"type": "ping", "position": session["position"]}


async def test_a_short_heartbeat_leaves_a_client_its_time_to_answer(aiohttp_client, tmp_path):
    """Else one that is busy for a moment is cut off, and is not even told where to resume."""
    client = await start(aiohttp_client, tmp_path, heartbeat_s=0.05)
    feed = await observe(client, autoping=False)
    for _ in range(5):
        await feed.until("ping")
    session = await create(client)
    assert (await feed.until("event"))[-1]["position"] == session["position"]


async def test_what_a_client_says_is_dropped_and_too_much_closes(client):
    feed = await observe(client)
    await feed.until("caught_up")
    for text in ("", "hello", "{}", '{"type":"end"}'):
        await feed.socket.send_str(text)
    await feed.socket.send_bytes(b"\0" * 100)
    await feed.socket.ping(b"there?")
    session = await create(client)
    assert await feed.events(1) == [session["position"]]
    await feed.socket.send_str("x" * 10_000)
    while not feed.socket.closed:
        await feed.socket.receive(timeout=60)
    assert feed.socket.close_code == 1009


async def gone(client):
    """Wait until no feed is open."""
    async with asyncio.timeout(60):
        while len(client.server.app[BROADCAST]):  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.01)


async def test_so_many_feeds_and_no_more(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, observers_max=2)
    feeds = [await observe(client) for _ in range(2)]
    for feed in feeds:
        await feed.until("caught_up")
    for path in (OBSERVE, "/api/v1/feed"):
        await refused(client, "GET", path, 503, "too_many_observers")
    for feed in feeds:
        await feed.socket.close()
    await gone(client)
    await (await observe(client)).until("caught_up")


async def test_a_client_that_vanishes_is_forgotten(client):
    for after in (0, 10**6):
        feed = await observe(client, {"after": after})
        await feed.until("caught_up")
        feed.drop()
    await gone(client)
    await create(client)


async def test_a_path_that_speaks_websocket_wants_one(client):
    async with client.get(OBSERVE) as answer:
        assert answer.headers["Upgrade"] == "websocket"
    await refused(client, "GET", OBSERVE, 426, "websocket_required")


async def test_a_bad_query_is_refused_before_the_handshake(client, subtests):
    for query, code in (
        ("after=x", "bad_position"),
        ("after=-1", "bad_position"),
        ("after=9223372036854775808", "bad_position"),
        ("kind=car", "invalid_query"),
        ("status=done", "invalid_query"),
        ("colour=red", "invalid_query"),
        ("limit=5", "invalid_query"),
    ):
        with subtests.test(query=query):
            await refused(client, "GET", f"{OBSERVE}?{query}", 400, code)
