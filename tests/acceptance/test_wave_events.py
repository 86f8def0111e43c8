"""WAVE: what happens to a session, by long poll. Sections are those of the WAVE contract."""

import asyncio
import io
from typing import Any

import pytest

from sessions.web.appkeys import CHANNELS
from tests.support import service
from tests.support.service import SESSIONS, ask, move, start
from tests.support.wave import few_tests, has_cors, make

TOKEN = "f" * 36


@pytest.fixture
async def admin(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


@pytest.fixture
async def client(aiohttp_client, admin):
    """A client without a key, as WAVE's are."""
    return await aiohttp_client(admin.server)


async def polled(client, token, last=None, **options):
    """The events that a poll answers."""
    query = {} if last is None else {"last_event": str(last)}
    answer = await client.get(f"/api/sessions/{token}/events", params=query, **options)
    assert answer.status == 200
    assert has_cors(answer)
    body = await answer.read()
    return await answer.json() if body else None


async def waits(client, *, for_count=1):
    """Return when so many polls wait in the service."""
    channels = client.app[CHANNELS]
    while channels.waiting != for_count:  # noqa: ASYNC110 - a number, and nothing tells of it
        await asyncio.sleep(0.001)


async def post(client, token, type: Any, data: Any = None):
    """Tell something on the channel of a session."""
    answer = await client.post(f"/api/sessions/{token}/events", json={"type": type, "data": data})
    assert (answer.status, await answer.read()) == (200, b"")
    assert has_cors(answer)


def event(type, data, number):
    return {"type": type, "data": data, "number": number}


async def test_every_change_of_the_shown_status_is_an_event(client, admin):
    """Sections 2.2 and 4: numbers from 0, ascending, everything newer at once."""
    token = await make(client)
    # The native steps between them are none: WAVE shows the same status before and after.
    steps = ["queued", "starting", "running", "blocked", "pausing", "paused", "resuming"]
    await move(admin, {"id": token}, *steps, "running", "completed")
    statuses = ["running", "paused", "running", "completed"]
    told = [event("status", status, number) for number, status in enumerate(statuses)]
    assert list(told[0]) == ["type", "data", "number"]
    for last in (-5, -1):
        assert await polled(client, token, last) == told
    for last in (0, 1, 2):
        assert await polled(client, token, last) == told[last + 1 :]


async def test_a_poll_hears_of_the_next_event_only(client):
    """Section 4: without `last_event` what was before is not told."""
    token = await make(client)
    await post(client, token, "before")
    poll = asyncio.create_task(polled(client, token))
    await waits(client)
    await post(client, token, "now", {"a": [1]})
    assert await poll == [event("now", {"a": [1]}, 1)]


@pytest.mark.parametrize("last", [0, 7, 10**18 - 1])
async def test_a_poll_at_the_end_of_the_channel_waits(client, last):
    """Section 4: also where the client knows of events that never were."""
    token = await make(client)
    await post(client, token, "first")
    poll = asyncio.create_task(polled(client, token, last))
    await waits(client)
    await post(client, token, "second")
    assert await poll == [event("second", None, 1)]


async def test_all_who_wait_are_told(client):
    """Section 4."""
    token, other = await make(client), await make(client)
    polls = [asyncio.create_task(polled(client, token, last)) for last in (None, -1, 0)]
    elsewhere = asyncio.create_task(polled(client, other))
    await waits(client, for_count=4)
    await post(client, token, "x")
    assert await asyncio.gather(*polls) == [[event("x", None, 0)]] * 3
    assert not elsewhere.done()
    await post(client, other, "y")
    assert await elsewhere == [event("y", None, 0)]


DATA: list[Any] = [None, 0, 1.5, True, "é🦊", [], {}, {"b": 1, "a": [None]}]


async def test_any_type_and_any_data_pass_through(client):
    """Section 4: types that nobody knows, in the order in which they were posted."""
    token = await make(client)
    for data in DATA:
        await post(client, token, "observation_ready", data)
    assert [told["data"] for told in await polled(client, token, -1)] == DATA
    await post(client, token, "", None)
    assert await polled(client, token, len(DATA) - 1) == [event("", None, len(DATA))]


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'{"type": "x"}',
    b'{"data": 1}',
    b'{"type": 1, "data": 1}',
]


async def test_a_broken_post_is_answered_and_not_kept(client):
    """Section 1.2: always 200; the text that is no text is among it."""
    token = await make(client)
    for body in (*BROKEN, b"\xff", b'{"type": "\\ud800", "data": 1}', b"[" * 100):
        answer = await client.post(f"/api/sessions/{token}/events", data=body)
        assert (answer.status, await answer.read()) == (200, b"")
    await post(client, token, "kept")
    assert await polled(client, token, -1) == [event("kept", None, 0)]


async def test_what_is_too_large_is_refused(client):
    """A bound of this service."""
    token = await make(client)
    answer = await client.post(f"/api/sessions/{token}/events", json={"type": "x" * 257, "data": 1})
    assert answer.status == 400
    large = io.BytesIO(b'{"type": "x", "data": "%s"}' % (b"x" * (1 << 20)))
    answer = await client.post(f"/api/sessions/{token}/events", data=large)
    assert (answer.status, set(await answer.json())) == (413, {"error"})


async def test_a_post_to_nobody_is_answered_and_not_kept(client, admin):
    """Section 1.2: any string is good enough for a token; here it costs nothing."""
    browser = (await service.create(admin, "browser"))["id"]
    gone = await make(client)
    await client.delete(f"/api/sessions/{gone}")
    size = (await ask(admin, "GET", "/api/v1/log/head"))["size"]
    for token in (TOKEN, "x", "%00%FF", "é", browser, gone):
        answer = await client.post(f"/api/sessions/{token}/events", json={"type": "a", "data": 1})
        assert (answer.status, await answer.read()) == (200, b"")
    assert (await ask(admin, "GET", "/api/v1/log/head"))["size"] == size


async def test_a_poll_ends_after_its_time_without_a_body(aiohttp_client, tmp_path):
    """Section 1.9; a channel that nobody has waits as long (section 1.2)."""
    client = await start(aiohttp_client, tmp_path, wave_poll_s=0.02)
    token = await make(client)
    browser = (await service.create(client, "browser"))["id"]
    for path in (token, TOKEN, "x", "%00%FF", "é" * 50, browser):
        answer = await client.get(f"/api/sessions/{path}/events")
        assert (answer.status, await answer.read()) == (200, b"")
        assert has_cors(answer)
    assert client.app[CHANNELS].waiting == 0


async def test_a_number_that_is_none_is_refused(client):
    """Section 1.2, where the original answers 500; a blank one is not given (section 1.1)."""
    token = await make(client)
    for text in ("x", "1.0", "--1", "-", "+1", "1_0", "٣", "9" * 19, "9" * 5000):
        answer = await client.get(f"/api/sessions/{token}/events", params={"last_event": text})
        assert answer.status == 400
        assert "last_event" in (await answer.json())["error"]
    poll = asyncio.create_task(polled(client, token, ""))
    await waits(client)
    await post(client, token, "x")
    assert await poll == [event("x", None, 0)]


async def test_a_resume_sends_the_device_to_the_other_session(client):
    """Section 4, resume flow: the event is told although the session is removed with it."""
    landing, other = await make(client), await make(client)
    poll = asyncio.create_task(polled(client, landing))
    await waits(client)
    answer = await client.post(f"/api/sessions/{landing}/resume", json={"resume_token": other})
    assert (answer.status, await answer.read()) == (200, b"")
    assert await poll == [event("resume", other, 0)]
    assert (await client.get(f"/api/sessions/{landing}")).status == 404
    # A device whose poll broke off at that moment asks again, and is still told.
    assert await polled(client, landing, -1) == [event("resume", other, 0)]


async def test_a_run_is_told_from_its_start_to_its_end(aiohttp_client, tmp_path):
    """Section 4: the last result and the end that it brings are told together."""
    client = await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))
    token = await make(client)
    poll = asyncio.create_task(polled(client, token))
    await waits(client)
    await client.post(f"/api/sessions/{token}/start")
    assert await poll == [event("status", "running", 0)]
    paths = ["/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"]
    for number, path in enumerate(paths, 1):
        await client.get(f"/api/tests/{token}/next")
        poll = asyncio.create_task(polled(client, token, number - 1))
        await waits(client)
        result: dict[str, Any] = {"test": path, "status": "OK", "message": None, "subtests": []}
        await client.post(f"/api/results/{token}", json=result)
        told = [event("test_completed", path, number)]
        assert await poll == told + [event("status", "completed", 4)] * (path == paths[-1])
    assert [one["number"] for one in await polled(client, token, -1)] == list(range(5))


async def test_a_removal_is_no_status(client, admin):
    """Section 4: who polls a session that is deleted or expires goes on waiting."""
    token = await make(client)
    await move(admin, {"id": token}, "running")
    poll = asyncio.create_task(polled(client, token, 0))
    await waits(client)
    await client.delete(f"/api/sessions/{token}")
    assert await polled(client, token, -1) == [event("status", "running", 0)]
    assert not poll.done()
    poll.cancel()
    await waits(client, for_count=0)  # as the next test expects


async def test_numbers_go_on_after_a_restart(aiohttp_client, tmp_path):
    """Section 4 and design section 5: the original forgets after a minute, and at a restart."""
    client = await start(aiohttp_client, tmp_path)
    token = await make(client)
    for number in range(5):
        await post(client, token, "n", number)
    before = await polled(client, token, -1)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    poll = asyncio.create_task(polled(client, token))
    await waits(client)
    await post(client, token, "n", 5)
    assert await poll == [event("n", 5, 5)]
    assert await polled(client, token, -1) == [*before, event("n", 5, 5)]
    assert await polled(client, token, 3) == [event("n", 4, 4), event("n", 5, 5)]


async def test_the_end_of_the_service_ends_the_polls(aiohttp_client, tmp_path):
    """Design section 7: a device polls again when the service is back."""
    client = await start(aiohttp_client, tmp_path)
    token = await make(client)
    polls = [asyncio.create_task(polled(client, to)) for to in (token, TOKEN)]
    await waits(client, for_count=2)
    await client.app.shutdown()
    assert await asyncio.gather(*polls) == [None, None]
    assert await polled(client, token) is None


async def test_a_client_that_leaves_frees_everything(client):
    """Section 4: the original notices it when it writes."""
    token = await make(client)
    for path in (token, TOKEN):
        reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
        writer.write(f"GET /api/sessions/{path}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await waits(client)
        writer.close()
        await waits(client, for_count=0)
        assert await reader.read() == b""


async def test_polls_are_for_those_who_may_read(client, admin):
    """Design section 6: another tenant hears nothing, as if there were no such session."""
    token = await make(client)
    await post(client, token, "secret")
    header = {"X-API-Key": (await service.new_key(admin, "other"))["key"]}
    poll = asyncio.create_task(polled(client, token, -1, headers=header))
    await waits(client)
    answer = await client.post(
        f"/api/sessions/{token}/events", json={"type": "a", "data": 1}, headers=header
    )
    assert answer.status == 200
    assert await polled(client, token, -1) == [event("secret", None, 0)]
    assert not poll.done()
    poll.cancel()
    await waits(client, for_count=0)  # as the next test expects
    wrong = await client.get(f"/api/sessions/{token}/events", headers={"X-API-Key": "wrong"})
    assert wrong.status == 401


async def test_only_so_many_polls_may_wait(aiohttp_client, tmp_path):
    """A bound of this service."""
    client = await start(aiohttp_client, tmp_path, observers_max=1)
    token = await make(client)
    poll = asyncio.create_task(polled(client, token))
    await waits(client)
    answer = await client.get(f"/api/sessions/{token}/events")
    assert (answer.status, set(await answer.json())) == (503, {"error"})
    await post(client, token, "x")
    assert await poll == [event("x", None, 0)]


async def test_what_a_client_posts_is_on_the_record(client, admin):
    """Design section 1: each event is a fact of the session, with who told it."""
    token = await make(client)
    await post(client, token, "playback", {"type": "play"})
    history = await ask(admin, "GET", f"{SESSIONS}/{token}/events")
    told = history["items"][-1]
    assert told["actor"] == "wave"
    assert [one["type"] for one in told["events"]] == ["channel.posted"]
    assert told["events"][0]["data"] == {"type": "playback", "data": {"type": "play"}}
