"""WAVE: a run is a session like any other, on the native feed, in its views and in the replay.

Sections are those of the WAVE contract, where the original has nothing of the kind.
"""

import pytest

from tests.support.feeds import observe
from tests.support.process import serving
from tests.support.scripts import run_script
from tests.support.service import SESSIONS, ask, start
from tests.support.wave import few_tests, make, next_url, order, report

ONE_A, ONE_B, TWO_C = TESTS = ["/apiOne/a.html", "/apiOne/b.html", "/apiTwo/c.html"]


async def progress(client, token):
    """What the native API shows of a run."""
    found = await ask(client, "GET", f"{SESSIONS}/{token}")
    counts = [found[f"tests_{name}"] for name in ("total", "running", "completed")]
    return [found["kind"], found["dialect"], found["status"], *counts]


async def facts(feed, count):
    """So many next facts, each as its type and what tells most of it."""
    told: list[tuple[str, object]] = []
    while len(told) < count:
        frame = await feed.frame()
        assert frame["type"] == "event"
        for event in frame["events"]:
            data = event["data"]
            telling = [data[key] for key in ("to", "path", "count", "type", "name") if key in data]
            told.append((event["type"], telling[0]))
    return told


async def test_a_run_is_told_on_the_native_socket_and_shown_in_the_native_views(
    aiohttp_client, tmp_path
):
    """Sections 2.2 and 4: status, progress, each test, and what clients say, as it happens."""
    client = await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))
    token = await make(client, {"labels": ["tv"]})
    feed = await observe(client, {"session": token})
    await feed.until("caught_up")
    assert await progress(client, token) == ["test_run", "wave", "pending", 0, 0, 0]
    await order(client, token, "start")
    assert await facts(feed, 3) == [
        ("artifact.stored", "tests.json"),
        ("tests.selected", 3),
        ("session.status_changed", "running"),
    ]
    assert await progress(client, token) == ["test_run", "wave", "running", 3, 0, 0]
    for path in (ONE_A, ONE_B):
        assert (await next_url(client, token)).path == path
    await report(client, token, ONE_A)
    assert await facts(feed, 3) == [
        ("test.started", ONE_A),
        ("test.started", ONE_B),
        ("test.completed", ONE_A),
    ]
    assert await progress(client, token) == ["test_run", "wave", "running", 3, 1, 1]
    await order(client, token, "pause")
    body = {"type": "playback", "data": {"type": "play"}}
    await client.post(f"/api/sessions/{token}/events", json=body)
    await report(client, token, ONE_B)
    assert await progress(client, token) == ["test_run", "wave", "paused", 3, 0, 2]
    await order(client, token, "start")
    await next_url(client, token)
    await report(client, token, TWO_C)
    assert await facts(feed, 7) == [
        ("session.status_changed", "paused"),
        ("channel.posted", "playback"),
        ("test.completed", ONE_B),
        ("session.status_changed", "running"),
        ("test.started", TWO_C),
        ("test.completed", TWO_C),
        ("session.status_changed", "completed"),
    ]
    assert await progress(client, token) == ["test_run", "wave", "completed", 3, 0, 3]


async def test_what_wave_lists_the_native_api_lists_too(aiohttp_client, tmp_path):
    """Section 1.2: by its label, its kind and its status."""
    client = await start(aiohttp_client, tmp_path, wave_tests=few_tests(tmp_path))
    token, other = [await make(client, {"labels": [label]}) for label in ("tv", "phone")]
    await order(client, token, "start")
    for query, found in (("label=tv", [token]), ("status=pending", [other]), ("kind=browser", [])):
        page = await ask(client, "GET", f"{SESSIONS}?{query}")
        assert [one["id"] for one in page["items"]] == found


@pytest.mark.slow(reason="starts the service and the replay as processes")
async def test_the_replay_tells_the_run(tmp_path):
    """Sections 2.2 and 4: from the log alone, while the service runs and after it was killed."""
    folder, tests = tmp_path / "data", few_tests(tmp_path)
    async with serving(folder, "--wave-tests", tests) as service, service.client() as client:
        token = await make(client, {"labels": ["tv"]})
        await order(client, token, "start")
        for path in TESTS:
            await next_url(client, token)
            subtests = [{"name": "x", "status": "FAIL"}]
            await report(client, token, path, subtests=subtests)
        while_it_runs = run_script("replay", "--data", folder, "--session", token)
        service.kill()
    after = run_script("replay", "--data", folder, "--session", token)
    assert (while_it_runs.code, after.code) == (0, 0)
    assert while_it_runs.out == after.out
    lines = after.out.splitlines()
    assert "created as a test run, pending, through wave" in lines[0]
    rest = "\n".join(lines[1:])
    told = ["tests selected: 3 tests", "went from pending to running"]
    for path in TESTS:
        told += [f'test "{path}" handed out', f'test "{path}" reported OK; subtests FAIL=1']
    places = [rest.index(words) for words in [*told, "went from running to completed: finished"]]
    assert places == sorted(places)
