"""Test runs in memory: brought back from the log, forgotten, timed, and on a full disk."""

import asyncio
from typing import Any

import pytest

from eventstore.errors import CommitTooLarge, StorageFull
from projections.views.store import QUERIES
from sessions import runs, timers
from sessions.caller import SERVICE
from sessions.domain.rejections import Deleted, NotFound
from sessions.domain.turn import Complete
from sessions.web.appkeys import LOG, RUNS, VIEWS
from tests.support.logs import Clock
from tests.support.service import SESSIONS, ask, create, start
from tests.support.wave import few_tests, lists_of, make, next_url, pages_at, report, started

ONE_A, ONE_B, TWO_C = "/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def client(aiohttp_client, tmp_path, clock, monkeypatch):
    monkeypatch.setattr(timers, "TICK_S", 0.005)
    monkeypatch.setattr(timers, "RETRY_S", 0.01)
    return await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=few_tests(tmp_path))


def refusing(monkeypatch, client, error):
    """Let the log refuse every commit from now on."""

    async def append(_):
        raise error

    monkeypatch.setattr(client.server.app[LOG], "append", append)


async def out(client, token):
    """How many tests of a session are out, as the native API says."""
    return (await ask(client, "GET", f"{SESSIONS}/{token}"))["tests_running"]


async def all_back(client, token):
    """Wait until no test is out any more."""
    for _ in range(12_000):
        if not await out(client, token):
            return
        await asyncio.sleep(0.005)
    pytest.fail("a test stays out")


async def test_runs_that_are_not_used_are_forgotten_and_come_back(client, monkeypatch):
    monkeypatch.setattr(runs, "HOT_RUNS_MAX", 2)
    tokens = [await started(client) for _ in range(6)]
    for token in tokens:
        assert (await next_url(client, token)).path == ONE_A
    for token in tokens:
        await report(client, token, ONE_A)
        assert (await next_url(client, token)).path == ONE_B
    assert len(client.server.app[RUNS]._hot) <= 3
    for token in tokens:
        assert await lists_of(client, token) == [[TWO_C], [ONE_B], [ONE_A]]


async def test_runs_with_too_many_tests_are_forgotten(client, monkeypatch):
    monkeypatch.setattr(runs, "HOT_TESTS_MAX", 5)
    tokens = [await started(client) for _ in range(4)]
    assert len(client.server.app[RUNS]._hot) <= 3
    assert [await lists_of(client, token) for token in tokens] == [
        [[ONE_A, ONE_B, TWO_C], [], []]
    ] * 4


async def test_a_forgotten_run_is_timed_all_the_same(client, monkeypatch, clock):
    monkeypatch.setattr(runs, "HOT_RUNS_MAX", 0)
    tokens = [await started(client) for _ in range(3)]
    for token in tokens:
        await next_url(client, token)
    clock.now_us += 60_000_000
    for token in tokens:
        await all_back(client, token)


async def test_many_who_come_while_a_run_is_read_see_one_run(aiohttp_client, tmp_path, clock):
    tests = [f"/many/{n:03}.html" for n in range(60)]
    folder = pages_at(tmp_path, *tests)
    client = await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=folder)
    token = await started(client)
    for _ in tests[:30]:
        await next_url(client, token)
    await client.close()
    client = await start(aiohttp_client, tmp_path, clock_us=clock, wave_tests=folder)
    asked = [next_url(client, token) for _ in tests[30:]]
    reports = [report(client, token, path) for path in tests[:30]]
    urls = await asyncio.gather(*asked, *reports)
    assert sorted(url.path for url in urls if url is not None) == tests[30:]
    lists = await lists_of(client, token)  # completed ones in the order in which they came in
    assert [sorted(paths) for paths in lists] == [[], tests[30:], tests[:30]]


@pytest.mark.parametrize("path", ["next", "results"])
async def test_a_disk_that_is_full_changes_nothing(client, monkeypatch, path):
    token = await started(client)
    await next_url(client, token)
    before = await lists_of(client, token)
    with monkeypatch.context() as full:
        refusing(full, client, StorageFull())
        if path == "next":
            answer = await client.get(f"/api/tests/{token}/next")
        else:
            body = {"test": ONE_A, "status": 0}
            answer = await client.post(f"/api/results/{token}", json=body)
        assert (answer.status, list(await answer.json())) == (507, ["error"])
        assert await lists_of(client, token) == before
    assert (await next_url(client, token)).path == ONE_B
    await report(client, token, ONE_A)
    assert await lists_of(client, token) == [[TWO_C], [ONE_B], [ONE_A]]


async def test_a_time_out_that_the_disk_refuses_is_tried_again(client, monkeypatch, clock):
    token = await started(client)
    await next_url(client, token)
    with monkeypatch.context() as full:
        refusing(full, client, StorageFull())
        clock.now_us += 60_000_000
        await asyncio.sleep(0.05)
        assert await out(client, token) == 1
    clock.now_us += 60_000_000
    await all_back(client, token)


async def test_a_start_that_the_disk_refuses_can_be_repeated(client, monkeypatch, tmp_path):
    token = (await create(client, "test_run"))["id"]
    with monkeypatch.context() as full:
        refusing(full, client, StorageFull())
        assert (await client.post(f"/api/sessions/{token}/start")).status == 507
    assert (await client.post(f"/api/sessions/{token}/start")).status == 200
    assert (await next_url(client, token)).path == ONE_A


async def test_what_is_configured_while_the_tests_are_chosen_is_what_runs(client, monkeypatch):
    served = client.server.app[RUNS]
    token = await make(client)
    choose = served._choose
    asked: list[Any] = []

    async def slow(session):
        order = await choose(session)
        if not asked:
            body = {"tests": {"include": ["/apiTwo"]}}
            asked.append(await client.put(f"/api/sessions/{token}", json=body))
        return order

    monkeypatch.setattr(served, "_choose", slow)
    assert await served.start(token, SERVICE) is True
    assert [answer.status for answer in asked] == [200]
    assert await lists_of(client, token) == [[TWO_C], [], []]
    [kept] = (await ask(client, "GET", f"{SESSIONS}/{token}/artifacts"))["items"]
    assert kept["name"] == "tests.json"
    assert await served.start(token, SERVICE) is False


async def test_one_result_that_is_too_large_fails_alone(client, monkeypatch):
    served = client.server.app[RUNS]
    token = await started(client)
    for _ in range(3):
        await next_url(client, token)
    append = client.server.app[LOG].append

    async def narrow(wish):
        if sum(b"large" in bytes(event.data) for event in wish.events):
            raise CommitTooLarge(1)
        return await append(wish)

    monkeypatch.setattr(client.server.app[LOG], "append", narrow)
    results = [
        Complete(path=ONE_A, status="OK"),
        Complete(path=ONE_B, status="OK", message="large"),
        Complete(path=TWO_C, status="OK"),
    ]
    answers = await asyncio.gather(
        *[served.complete(token, result, 1, SERVICE) for result in results],
        return_exceptions=True,
    )
    assert [answers[0], answers[2]] == [True, True]
    assert isinstance(answers[1], CommitTooLarge)
    assert (await lists_of(client, token))[1] == [ONE_B]


async def test_a_device_that_leaves_takes_nobody_with_it(client):
    served = client.server.app[RUNS]
    token = await started(client)
    leaving = [asyncio.create_task(served.next(token, SERVICE)) for _ in range(2)]
    staying = asyncio.create_task(served.next(token, SERVICE))
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    handout = await staying
    assert handout.path is not None
    lists = await lists_of(client, token)
    assert handout.path in lists[1]
    assert sorted(path for some in lists for path in some) == [ONE_A, ONE_B, TWO_C]


async def test_sessions_of_other_kinds_have_no_run(client):
    token = (await create(client, "browser"))["id"]
    served = client.server.app[RUNS]
    for asked in (served.get, served.plan, served.start, served.next):
        with pytest.raises(NotFound):
            await asked(token, SERVICE)
    assert await served.complete(token, Complete(path="/x", status="OK"), 1, SERVICE) is False
    assert not served._hot


async def test_a_deleted_session_has_no_run_and_no_timers(client, clock):
    token = await started(client)
    await next_url(client, token)
    await ask(client, "DELETE", f"{SESSIONS}/{token}?erase=true", 204)
    with pytest.raises(Deleted):
        await client.server.app[RUNS].next(token, SERVICE)
    size = client.server.app[LOG].size
    clock.now_us += 60_000_000
    await asyncio.sleep(0.05)
    assert client.server.app[LOG].size == size


async def test_the_sessions_with_tests_out_are_found_without_looking_at_the_others(client):
    views = client.server.app[VIEWS]
    plan = await views.fetch("EXPLAIN QUERY PLAN " + QUERIES["tests_out"], (0, 1))
    steps = [row[3].decode() for row in plan]
    assert [step for step in steps if "sessions_with_tests_out" in step] == steps
