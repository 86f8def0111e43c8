"""WAVE: devices and what they are told. Sections are those of the WAVE contract."""

import asyncio
import io
import re
from datetime import datetime

import pytest

from eventstore.errors import StorageFull
from sessions import devices
from sessions.web.appkeys import CHANNELS, LOG
from tests.support import service
from tests.support.logs import Clock
from tests.support.service import ask, bearer, new_key, sharing, start
from tests.support.wave import CHROME, has_cors, make
from tests.support.wave_devices import DEVICES, keep, listening, poll, register, say, tokens

TOKEN = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-1[a-f0-9]{3}-[a-f0-9]{4}-[a-f0-9]{12}")
KEYS = ["token", "user_agent", "name", "last_active"]
NOBODY = "1b5c0de0-0000-11f1-8000-000000000000"
MINUTE_US = 60_000_000


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch):
    monkeypatch.setattr(devices, "TICK_S", 0.01)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock):
    """A client without a key, as WAVE's are; time goes on when a test says so."""
    admin = await start(aiohttp_client, tmp_path, clock_us=clock)
    return await aiohttp_client(admin.server)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with sharing(tmp_path_factory.mktemp("shared"), wave_poll_s=0.02) as service:
        yield service


@pytest.fixture
async def one_of_many(aiohttp_client, shared):
    """A client without a key of a service that has other devices, and whose polls end soon."""
    return await aiohttp_client(shared)


@pytest.mark.parametrize("prefix", ["", "/_wave", "/_wave/"])
async def test_a_device_registers_and_is_read_back(client, clock, prefix):
    """Sections 1.1 and 1.5."""
    answer = await client.post(f"{prefix}{DEVICES}", headers={"User-Agent": CHROME})
    assert (answer.status, has_cors(answer)) == (200, True)
    body = await answer.json()
    assert list(body) == ["token"]
    assert TOKEN.fullmatch(body["token"])
    found = await (await client.get(f"{prefix}{DEVICES}/{body['token']}")).json()
    assert list(found) == KEYS
    assert (found["token"], found["user_agent"]) == (body["token"], CHROME)
    assert found["name"] == "Chrome 81.0.4044"
    last_active = datetime.fromisoformat(found["last_active"])
    assert last_active.timestamp() * 1e6 == clock.now_us
    assert await (await client.get(f"{prefix}{DEVICES}/")).json() == [found]


@pytest.mark.parametrize("agent", ["", "Nobody knows me", "\x80\xff"])
async def test_a_device_that_nobody_knows_is_other(one_of_many, agent):
    """Section 1.5; no User-Agent is a 500 of the original."""
    token = await register(one_of_many, agent)
    assert (await ask(one_of_many, "GET", f"{DEVICES}/{token}"))["name"] == "Other 0"
    answer = await one_of_many.post(DEVICES, skip_auto_headers=["User-Agent"])
    assert answer.status == 200


async def test_the_list_has_every_device_in_the_order_in_which_they_came(client):
    """Section 1.5."""
    assert await tokens(client) == []
    made = [await register(client) for _ in range(3)]
    await keep(client, made[0])
    assert await tokens(client) == made


@pytest.mark.parametrize("token", [NOBODY, "x", "%20", "..%2f", "é" * 40])
async def test_an_unknown_device_is_not_there(one_of_many, token):
    """Section 1.5."""
    answer = await one_of_many.get(f"{DEVICES}/{token}")
    assert (answer.status, await answer.read()) == (404, b"")


async def test_a_device_is_gone_after_a_minute_of_silence(client, clock):
    """Section 4: 60 s after it registered, by a check at each read."""
    token = await register(client)
    clock.now_us += MINUTE_US - 1
    assert await tokens(client) == [token]
    await say(client, f"{token}/events", json={"type": "go"})
    clock.now_us += 1
    assert await tokens(client) == []
    assert (await client.get(f"{DEVICES}/{token}")).status == 404
    await keep(client, token)
    assert await tokens(client) == []


@pytest.mark.parametrize("own", [True, False])
async def test_a_poll_that_names_a_device_keeps_it(client, clock, own):
    """Sections 1.5 and 4: on whichever channel it listens."""
    token = await register(client)
    other = await register(client)
    clock.now_us += MINUTE_US - 1
    channel = f"{token}/events" if own else "events"
    async with listening(client, channel, device_token=token):
        clock.now_us += 1
        assert await tokens(client) == [token]
        found = await ask(client, "GET", f"{DEVICES}/{token}")
        assert datetime.fromisoformat(found["last_active"]).timestamp() * 1e6 == pytest.approx(
            clock.now_us, abs=1000
        )
        await say(client, channel, json={"type": "go"})
    assert other not in await tokens(client)


async def test_an_event_that_names_a_device_keeps_it(client, clock):
    """Section 1.5."""
    token = await register(client)
    clock.now_us += MINUTE_US - 1
    options = {"json": {"type": "go"}, "params": {"device_token": token}}
    await say(client, f"{NOBODY}/events", **options)
    clock.now_us += 1
    assert await tokens(client) == [token]


async def test_all_are_told_who_comes_and_who_goes(client, clock):
    """Sections 1.5 and 4."""
    async with listening(client, "events") as told:
        token = await register(client)
        device = await ask(client, "GET", f"{DEVICES}/{token}")
        assert await told == [{"type": "device_added", "data": device, "number": 0}]
    async with listening(client, "events") as told:
        clock.now_us += MINUTE_US
        assert await told == [{"type": "device_removed", "data": device, "number": 1}]


async def test_a_device_is_told_to_start_a_session(client):
    """Section 4: an array of one event, with its number on this channel."""
    token, other = await register(client), await register(client)
    data = {"session_token": await make(client)}
    for number in range(2):
        async with listening(client, f"{token}/events") as told:
            await say(client, f"{other}/events", json={"type": "ping"})
            await say(client, f"{token}/events", json={"type": "start_session", "data": data})
            answer = await told
            assert answer == [{"type": "start_session", "data": data, "number": number}]
            assert list(answer[0]) == ["type", "data", "number"]


async def test_what_was_said_between_two_polls_is_there_for_who_names_the_last(client):
    """Section 4, as on the channel of a session."""
    token = await register(client)
    for number in range(3):
        for channel in (f"{token}/events", "events"):
            await say(client, channel, json={"type": "n", "data": number})
    told = await poll(client, f"{token}/events", last_event=0)
    assert [(one["data"], one["number"]) for one in told] == [(1, 1), (2, 2)]
    told = await poll(client, "events", last_event=1)
    assert [(one["type"], one["data"], one["number"]) for one in told] == [
        ("n", 1, 2),
        ("n", 2, 3),
    ]


async def test_a_restart_keeps_devices_and_numbers(aiohttp_client, tmp_path, clock):
    """Sections 1.5 and 4: after it each device has its whole minute again."""
    first = await start(aiohttp_client, tmp_path, clock_us=clock)
    token, gone = await register(first), await register(first)
    await say(first, f"{token}/events", json={"type": "one"})
    clock.now_us += MINUTE_US - 1
    await keep(first, token)
    clock.now_us += 1
    async with listening(first, "events", last_event=1) as told:
        assert [one["data"]["token"] for one in await told] == [gone]
    clock.now_us += MINUTE_US - 2
    await first.close()
    second = await start(aiohttp_client, tmp_path, clock_us=clock)
    assert await tokens(second) == [token]
    clock.now_us += MINUTE_US - 1
    assert await tokens(second) == [token]
    async with listening(second, f"{token}/events", device_token=token) as told:
        await say(second, f"{token}/events", json={"type": "two"})
        assert await told == [{"type": "two", "data": None, "number": 1}]
    assert [one["number"] for one in await poll(second, "events", last_event=1)] == [2]
    clock.now_us += MINUTE_US
    assert await tokens(second) == []


async def test_a_poll_ends_with_nothing(one_of_many):
    """Section 1.5: 200 and an empty body, also for a token that nobody has."""
    for channel in (
        "events",
        f"{await register(one_of_many)}/events",
        f"{NOBODY}/events",
        "x/events",
    ):
        answer = await one_of_many.get(f"{DEVICES}/{channel}")
        assert (answer.status, await answer.read(), has_cors(answer)) == (200, b"", True)


async def test_the_end_of_the_service_is_the_end_of_a_poll(client):
    """Section 1.5."""
    app, token = client.server.app, await register(client)
    async with listening(client, f"{token}/events") as told:
        app[CHANNELS].close()
        assert await told is None


async def test_what_is_said_to_a_device_that_is_gone_reaches_nobody(client, clock):
    """Section 1.5: answered all the same."""
    token = await register(client)
    clock.now_us += MINUTE_US
    await poll(client, "events", last_event=0)  # it was removed
    log = client.server.app[LOG]
    size = log.size
    for channel in (f"{token}/events", f"{NOBODY}/events", "no%00token/events"):
        await say(client, channel, json={"type": "go"})
    assert log.size == size


NO_EVENT = [b"", b"{}", b"[]", b"null", b'{"data": 1}', b'{"type": null}', b'[{"type": "a"}]']


@pytest.mark.parametrize("raw", NO_EVENT)
async def test_without_a_type_nothing_is_said(one_of_many, raw):
    """Section 1.5."""
    token = await register(one_of_many)
    for channel in (f"{token}/events", "events"):
        await say(one_of_many, channel, data=raw)
    await say(one_of_many, f"{token}/events", json={"type": "a"})
    assert (await poll(one_of_many, f"{token}/events", last_event=-1))[0]["type"] == "a"


HOSTILE = [
    *(b"{", b"\xff", b"NaN", b"1", b'"type"', b'{"type": 1}', b'{"type": ["a"]}', b'{"type": {}}'),
    *(b'{"type": "\\u0000"}', b'{"type": "a", "data": "\\ud800"}', b'{"type": "' + b"x" * 201),
    *(b'{"type": "' + b"x" * 201 + b'"}', b'{"type": "a", "data": ' + b"[" * 500 + b"]" * 500),
]


async def test_no_body_is_a_crash(one_of_many):
    """Section 1.1: where the original answers 500, this is a 400."""
    token = await register(one_of_many)
    for channel in (f"{token}/events", "events", f"{NOBODY}/events"):
        for raw in HOSTILE:
            answer = await one_of_many.post(f"{DEVICES}/{channel}", data=raw)
            assert (answer.status, has_cors(answer)) == (400, True), raw
            assert (await answer.json())["error"]
        answer = await one_of_many.post(f"{DEVICES}/{channel}", data=io.BytesIO(b" " * (2 << 20)))
        assert answer.status == 413
    for raw in HOSTILE:
        assert (await one_of_many.post(DEVICES, data=raw)).status == 200


SAID = [None, True, 0, -1.5, "é\u2028\U0001f4fa", [], {}, {"a": [{"b": None}]}, 2**53, ["x"] * 999]


async def test_anything_may_be_said(one_of_many):
    """Section 4: what is said is passed through."""
    token = await register(one_of_many)
    for data in SAID:
        await say(one_of_many, f"{token}/events", json={"type": "größe", "data": data})
    told = await poll(one_of_many, f"{token}/events", last_event=-1)
    assert [one["data"] for one in told] == SAID


@pytest.mark.parametrize("number", ["x", "1.5", "-", "9" * 40, "", "٣", "1 2"])
async def test_a_number_that_is_none_is_not_read(one_of_many, number):
    """Section 4: no parameter of the original's device channels."""
    await register(one_of_many)
    assert await poll(one_of_many, "events", last_event=number) is None


NOTHING_ELSE = [
    *(("PUT", ""), ("DELETE", ""), ("PATCH", ""), ("DELETE", f"/{NOBODY}"), ("POST", f"/{NOBODY}")),
    *(("GET", f"/{NOBODY}/other"), ("PUT", "/events"), ("GET", "/a/b/c/d"), ("OPTIONS", "/a")),
]


async def test_what_is_not_there_is_answered_with_nothing(one_of_many):
    """Section 1.1."""
    for method, path in NOTHING_ELSE:
        answer = await one_of_many.request(method, DEVICES + path)
        assert (answer.status, await answer.read(), has_cors(answer)) == (200, b"", True), path
    assert (await one_of_many.head(DEVICES)).status == 404


async def test_devices_of_another_tenant_are_nowhere(client, aiohttp_client):
    """Section 1.5; a tenant has its own channels."""
    admin = await aiohttp_client(client.server, headers=bearer(service.ADMIN))
    lab = await aiohttp_client(client.server, headers=bearer((await new_key(admin))["key"]))
    ours, theirs = await register(client), await register(lab)
    assert (await tokens(client), await tokens(lab)) == ([ours], [theirs])
    assert await tokens(admin) == [ours, theirs]
    assert (await client.get(f"{DEVICES}/{theirs}")).status == 404
    told = await poll(lab, "events", last_event=-1)
    assert [one["data"]["token"] for one in told] == [theirs]
    await say(client, f"{theirs}/events", json={"type": "no"})
    await say(lab, f"{theirs}/events", json={"type": "yes"})
    told = await poll(lab, f"{theirs}/events", last_event=-1)
    assert [one["type"] for one in told] == ["yes"]


async def test_a_key_that_only_reads_registers_nothing(client, aiohttp_client):
    """Section 1.5."""
    admin = await aiohttp_client(client.server, headers=bearer(service.ADMIN))
    key = await new_key(admin, "lab", "sessions:read")
    reader = await aiohttp_client(client.server, headers=bearer(key["key"]))
    for path in (DEVICES, f"{DEVICES}/events", f"{DEVICES}/{NOBODY}/events"):
        assert (await reader.post(path, json={"type": "a"})).status == 403
    assert await tokens(reader) == []


async def test_the_device_that_was_silent_for_longest_makes_room(client, clock, monkeypatch):
    """Section 4: there are not more than so many."""
    monkeypatch.setattr(devices, "DEVICES_MAX", 3)
    made = []
    for _ in range(3):
        made.append(await register(client))
        clock.now_us += 1000
    await keep(client, made[0])
    new = await asyncio.gather(*(register(client) for _ in range(2)))
    assert set(await tokens(client)) == {made[0], *new}
    told = await poll(client, "events", last_event=-1)
    removed = [one["data"]["token"] for one in told if one["type"] == "device_removed"]
    assert removed == made[1:]


async def test_a_disk_that_refuses_loses_nothing_that_is_to_be_told(client, clock, monkeypatch):
    """Section 4: who fell silent is gone for readers, and the others are told of it later."""
    token = await register(client)
    log = client.server.app[LOG]
    append = log.append
    takes = 0
    refused = asyncio.Event()

    async def refusing(wish):
        nonlocal takes
        if not takes:
            refused.set()
            raise StorageFull
        takes -= 1
        return await append(wish)

    monkeypatch.setattr(log, "append", refusing)
    clock.now_us += MINUTE_US
    await refused.wait()
    assert await tokens(client) == []
    assert (await client.post(DEVICES)).status == 507
    takes = 1  # that the device is gone, and not yet the event that tells of it
    refused.clear()
    await refused.wait()
    takes = 1
    [told] = await poll(client, "events", last_event=0)
    assert (told["type"], told["data"]["token"]) == ("device_removed", token)
