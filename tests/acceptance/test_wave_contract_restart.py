"""WAVE: what a service that was killed with -9 still knows, as a process of its own.

Sections are those of the WAVE contract.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.support.process import serving
from tests.support.service import SESSIONS, ask
from tests.support.wave import (
    few_tests,
    lists_of,
    make,
    next_url,
    order,
    read,
    report,
    started,
    status_of,
)
from tests.support.wave_devices import DEVICES, register, tokens

ONE_A, ONE_B, TWO_C = "/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"
SOON_S = 600
HOUR_S = 3600
LATE_S_MAX = 120.0

pytestmark = pytest.mark.slow(reason="starts the service as a process, and kills it")


@pytest.fixture
def serve(tmp_path):
    """Start the service again, with its clock ahead by so many seconds."""
    folder, tests = tmp_path / "data", few_tests(tmp_path)

    def served(late_s=0, *options):
        environ = {"LATE_S": str(late_s)}
        more = ["--wave-tests", tests, *options]
        return serving(folder, *more, module="tests.support.late", environ=environ)

    return served


async def told(client, path, last):
    """The data and numbers of the events after `last`; there are some."""
    async with client.get(f"{path}/events", params={"last_event": str(last)}) as answer:
        assert answer.status == 200
        return [(event["data"], event["number"]) for event in await answer.json()]


async def say(client, path, data):
    """Post an event to a channel."""
    async with client.post(f"{path}/events", json={"type": "said", "data": data}) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def until_out(client, token, count):
    """Wait until so many tests are out, and read nothing that would bring back the run itself."""
    give_up = asyncio.get_running_loop().time() + LATE_S_MAX
    while (await ask(client, "GET", f"{SESSIONS}/{token}"))["tests_running"] != count:
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.02)


async def test_events_are_numbered_on_and_an_hour_later_none_is_forgotten(serve):
    """Sections 2.5 and 4: of sessions, of devices, and of all devices."""
    async with serve() as service, service.client() as client:
        token, device = await make(client), await register(client)
        paths = [f"/api/sessions/{token}", f"{DEVICES}/{device}"]
        for path in paths:
            for number in range(3):
                await say(client, path, number)
        # Somebody waits there when it dies, and gets no answer that could be taken for one.
        waiting = [asyncio.create_task(told(client, path, 2)) for path in paths]
        await say(client, DEVICES, "all")
        before = await told(client, DEVICES, -1)
        service.kill()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, aiohttp.ClientError) for answer in answers), answers
    async with serve() as service, service.client() as client:
        assert await tokens(client) == [device]
        for path in paths:
            assert await told(client, path, 0) == [(1, 1), (2, 2)]
            waits = asyncio.create_task(told(client, path, 2))
            await say(client, path, "on")
            assert await waits == [("on", 3)]
        service.kill()
    async with serve(HOUR_S) as service, service.client() as client:
        events = [(number, number) for number in range(3)]
        assert await told(client, paths[0], -1) == [*events, ("on", 3)]
        await say(client, paths[0], "late")
        assert await told(client, paths[0], 2) == [("on", 3), ("late", 4)]
        assert (await told(client, DEVICES, -1))[: len(before)] == before
        await say(client, DEVICES, "later")
        [(_, number)] = [event for event in await told(client, DEVICES, -1) if event[0] == "later"]
        assert number >= len(before)


async def test_the_test_that_was_out_is_out_and_its_result_is_taken(serve):
    """Sections 2.5 and 4: a device that crashed too goes on with the next one."""
    async with serve() as service, service.client() as client:
        token, paused = await started(client), await started(client)
        await next_url(client, token)
        await report(client, token, ONE_A, subtests=[{"name": "x", "status": "FAIL"}])
        assert (await next_url(client, token)).path == ONE_B
        await next_url(client, paused)
        await order(client, paused, "pause")
        before = [await status_of(client, one) for one in (token, paused)]
        service.kill()
    async with serve() as service, service.client() as client:
        assert [await status_of(client, one) for one in (token, paused)] == before
        assert await lists_of(client, token) == [[TWO_C], [ONE_B], [ONE_A]]
        assert (await next_url(client, token)).path == TWO_C
        await report(client, token, TWO_C)
        await report(client, token, ONE_B)
        assert (await status_of(client, token))["status"] == "completed"
        path = f"/api/sessions/{token}"
        assert [data for data, _ in await told(client, path, -1)] == [
            *("running", ONE_A, TWO_C, ONE_B, "completed")
        ]
        assert (await next_url(client, paused)).path == "/_wave/pause.html"
        await report(client, paused, ONE_A)
        assert await lists_of(client, paused) == [[ONE_B, TWO_C], [], [ONE_A]]
        await service.stop()


async def test_what_was_ended_is_ended_and_its_tests_still_run_out_of_time(serve):
    """Sections 2.2, 2.5 and 3.5: the results come to the aborted session, which stays aborted."""
    body = {"timeouts": {"automatic": 1000 * SOON_S // 2, "/apiOne/b": 1000 * HOUR_S // 2}}
    async with serve() as service, service.client() as client:
        token = await started(client, body)
        for _ in range(2):
            await next_url(client, token)
        await order(client, token, "stop")
        before = await status_of(client, token)
        assert before["status"] == "aborted"
        service.kill()
    async with serve(SOON_S) as service, service.client() as client:
        await until_out(client, token, 1)
        assert await lists_of(client, token) == [[TWO_C], [ONE_B], [ONE_A]]
        assert await status_of(client, token) == before
        service.kill()
    async with serve(HOUR_S) as service, service.client() as client:
        await until_out(client, token, 0)
        assert await lists_of(client, token) == [[TWO_C], [], [ONE_A, ONE_B]]
        assert await status_of(client, token) == before
        async with client.get(f"/api/results/{token}") as answer:
            results = (await answer.json())["apiOne"]
        ends = [result["subtests"] for result in results]
        assert ends == [[{"status": "TIMEOUT", "xstatus": "SERVERTIMEOUT"}]] * 2
        assert [data for data, _ in await told(client, f"/api/sessions/{token}", 1)] == [
            *(ONE_A, ONE_B)
        ]
        await service.stop()


async def test_what_is_pending_is_there_until_it_expires(serve):
    """Sections 2.4 and 2.5: labels and configuration as well, and found by a beginning."""
    async with serve() as service, service.client() as client:
        soon = datetime.now(UTC) + timedelta(minutes=10)
        body = {"tests": {"include": ["/apiTwo"]}, "expiration_date": soon.isoformat()}
        token, kept = await make(client, body), await make(client)
        for one in (token, kept):
            async with client.put(f"/api/sessions/{one}/labels", json=["new"]) as answer:
                assert answer.status == 200
        before = [await read(client, token), await status_of(client, token)]
        service.kill()
    async with serve() as service, service.client() as client:
        async with client.get(f"/api/sessions/{token[:8]}") as answer:
            assert await answer.json() == {"token": token}
        assert [await read(client, token), await status_of(client, token)] == before
        assert before[0]["labels"] == ["new"]
        assert await lists_of(client, token) == [[TWO_C], [], []]
        service.kill()
    async with serve(HOUR_S) as service, service.client() as client:
        for path in (token, token[:8], f"{token}/status"):
            async with client.get(f"/api/sessions/{path}") as answer:
                assert answer.status == 404
        assert (await read(client, kept))["labels"] == ["new"]
        await service.stop()
