"""Whoever reads too slowly is cut off with the place to resume from, and disturbs nobody."""

import asyncio

import pytest

from sessions.web.appkeys import LOG
from tests.support.feeds import FEED, SSE, Stuck, expected, observe, read_sse
from tests.support.service import SESSIONS, ask, create, start

LARGE = "x" * 200_000
# More than the buffers of the kernel, of the service and of the client hold together.
MESSAGES = 60
SOON_S = 0.1


@pytest.fixture(autouse=True)
def _read_at_leisure(monkeypatch):
    """Whoever was cut off reads on here when all the others have been looked at."""
    monkeypatch.setattr("sessions.observe.client.LINGER_S", 120.0)


async def say(client, session, content):
    path = f"{SESSIONS}/{session['id']}/messages"
    return await ask(client, "POST", path, 201, json={"content": content})


async def rest_of(client, session, after):
    """The positions of the session's commits after a position."""
    wanted = await expected(client, [("session", session["id"])])
    return [position for position in wanted if position > after]


async def test_a_slow_client_is_cut_off_and_can_resume_while_others_lose_nothing(
    aiohttp_client, tmp_path
):
    client = await start(aiohttp_client, tmp_path, observer_buffer_bytes_max=64 << 10)
    session = await create(client)
    stuck = await Stuck.connect(client, "after=0")
    quick = await observe(client, {"after": 0})
    await quick.until("caught_up")
    # The other one reads nothing all this time: whoever had to wait for it would wait in vain.
    for _ in range(MESSAGES):
        said = await say(client, session, LARGE)
        assert await quick.events(1) == [said["position"]]
    metrics = await (await client.get("/metrics")).text()
    assert "sessiond_observers_slow_total 1.0" in metrics

    frames, code = await stuck.rest()
    assert code == 1013
    end = frames[-1]
    assert (end["type"], end["reason"]) == ("end", "too_slow")
    told = [frame["position"] for frame in frames if frame["type"] == "event"]
    assert 0 < len(told) < MESSAGES
    assert told[-1] == end["position"]
    resumed = await observe(client, {"after": end["position"]})
    told += [f["position"] for f in await resumed.until("caught_up") if f["type"] == "event"]
    assert told == await rest_of(client, session, 0)


async def test_a_client_that_is_slow_only_while_it_catches_up_is_waited_for(
    aiohttp_client, tmp_path
):
    client = await start(aiohttp_client, tmp_path, observer_buffer_bytes_max=64 << 10)
    session = await create(client)
    for _ in range(MESSAGES):
        await say(client, session, LARGE)
    feed = await observe(client, {"after": 0})
    await asyncio.sleep(0.3)
    frames = await feed.until("caught_up")
    told = [frame["position"] for frame in frames if frame["type"] == "event"]
    assert told == await rest_of(client, session, 0)
    session = await create(client)
    assert await feed.events(1) == [session["position"]]


async def test_what_waits_for_a_client_that_catches_up_is_bounded(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, observer_buffer_bytes_max=64 << 10)
    session = await create(client)
    for _ in range(MESSAGES):
        await say(client, session, LARGE)
    stuck = await Stuck.connect(client, "after=0")
    async with asyncio.timeout(60):
        while not _waiting(client):  # noqa: ASYNC110 - a buffer has no event
            await asyncio.sleep(0.01)
    await asyncio.sleep(SOON_S)  # what is not bounded would go on growing
    (waiting,) = _waiting(client)
    assert waiting < (64 << 10) + 2 * len(LARGE)
    stuck.close()


def _waiting(client):
    """How many bytes wait, for each client that has not taken all of them."""
    transports = [each.transport for each in client.server.runner.server.connections]
    return [size for each in transports if each and (size := each.get_write_buffer_size())]


@pytest.mark.parametrize("after", ["", "after=0"])
async def test_at_shutdown_every_client_is_told_where_to_resume(aiohttp_client, tmp_path, after):
    client = await start(aiohttp_client, tmp_path, observer_buffer_bytes_max=64 << 10)
    session = await create(client)
    for _ in range(MESSAGES):
        await say(client, session, LARGE)
    head = client.server.app[LOG].head().size
    wanted = await rest_of(client, session, 0)
    live = await observe(client)
    await live.until("caught_up")
    stuck = await Stuck.connect(client, after)
    await asyncio.sleep(SOON_S)
    events = await client.get(FEED, headers=SSE)
    while (await read_sse(events.content)).event != "caught_up":
        pass

    closing = asyncio.create_task(client.server.close())
    assert await live.until("end") == [{"type": "end", "position": head, "reason": "shutdown"}]
    assert (await live.socket.receive(timeout=60)).data == 1012
    end = await read_sse(events.content)
    assert (end.event, end.id, end.data["reason"]) == ("end", head, "shutdown")
    assert await events.content.read() == b""
    frames, code = await stuck.rest()
    assert code == 1012
    assert (frames[-1]["type"], frames[-1]["reason"]) == ("end", "shutdown")
    told = [frame["position"] for frame in frames if frame["type"] == "event"]
    assert told == [p for p in wanted if after and p <= frames[-1]["position"]]
    async with asyncio.timeout(30):  # nothing is left to wait for
        await closing
