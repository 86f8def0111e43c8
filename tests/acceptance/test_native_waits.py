"""Waiting for a status, and reading one's own writes by position."""

import asyncio

import pytest

from tests.support.service import (
    API,
    SESSIONS,
    ask,
    bearer,
    create,
    ids_of_list,
    move,
    new_key,
    refused,
    start,
)

SOON_S = 0.05


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def wait(client, session, what, timeout_s: float = 20):
    path = f"{SESSIONS}/{session['id']}"
    return await ask(client, "GET", path, params={"wait": what, "timeout": str(timeout_s)})


@pytest.mark.parametrize(
    ("what", "way"),
    [
        ("status:running", ["running"]),
        ("status:completed,failed", ["running", "failed"]),
        ("status:ended", ["running", "stopping", "lost"]),
        ("status:blocked,ended", ["running", "blocked"]),
    ],
)
async def test_the_answer_comes_when_the_status_is_reached_and_not_before(client, what, way):
    session = await create(client)
    waiting = [asyncio.create_task(wait(client, session, what)) for _ in range(5)]
    for status in way:
        await asyncio.sleep(SOON_S)
        assert not any(task.done() for task in waiting)
        session = await move(client, session, status)
    assert await asyncio.gather(*waiting) == [session] * 5


async def test_a_status_that_is_there_is_answered_at_once(client):
    session = await move(client, await create(client), "completed")
    for what in ("status:completed", "status:ended", "status:running,completed"):
        assert await wait(client, session, what) == session


async def test_at_the_time_out_the_answer_is_how_it_is_then(client):
    session = await create(client)
    # The change must come before the time-out, also where the disk takes long for it.
    told = None
    for timeout_s, status in ((0.3, "running"), (3, "paused"), (30, "running")):
        waiting = asyncio.create_task(wait(client, session, "status:completed", timeout_s))
        await asyncio.sleep(SOON_S)
        session = await move(client, session, status)
        late = waiting.done()
        told = await waiting
        if not late:
            break
    assert told == session
    async with asyncio.timeout(20):  # and not the 30 of one that does not say for how long
        assert await wait(client, session, "status:completed", 0) == session


async def test_the_longest_wait_is_a_setting(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, wait_s_max=0.1)
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}?wait=status:completed"
    assert await ask(client, "GET", path) == session
    await refused(client, "GET", f"{path}&timeout=0.2", 400, "invalid_query")


async def test_waiting_for_a_session_that_is_deleted_ends(client):
    session = await create(client)
    path = f"{SESSIONS}/{session['id']}"
    query = f"{path}?wait=status:completed"
    waiting = asyncio.create_task(refused(client, "GET", query, 410, "session_deleted"))
    await asyncio.sleep(SOON_S)
    await ask(client, "DELETE", path, 204)
    await waiting


async def test_a_wait_that_nobody_can_understand_is_refused(client, subtests):
    session = await create(client)
    for query in (
        "wait=",
        "wait=status",
        "wait=status:",
        "wait=status:done",
        "wait=status:running,",
        "wait=title:x",
        "wait=status:running&timeout=-1",
        "wait=status:running&timeout=61",
        "wait=status:running&timeout=nan",
        "wait=status:running&timeout=inf",
        "wait=status:running&timeout=soon",
        "until=status:running",
    ):
        with subtests.test(query=query):
            path = f"{SESSIONS}/{session['id']}?{query}"
            await refused(client, "GET", path, 400, "invalid_query")


async def test_lists_show_what_was_just_written(client):
    """Every list must have been brought up to the write that the caller has seen."""
    for number in range(30):
        session = await create(client, labels=[f"n{number}"])
        headers = {"Session-Position": str(session["position"])}
        assert await ids_of_list(client, {"label": f"n{number}"}, headers=headers) == [
            session["id"]
        ]
        await move(client, session, "running")
        assert session["id"] in await ids_of_list(client, {"status": "running"})
        await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
        assert await ids_of_list(client) == []


async def test_lists_of_others_show_it_too(client):
    key = bearer((await new_key(client, "default"))["key"])
    sessions = await asyncio.gather(*(create(client) for _ in range(20)))
    last = {"Session-Position": str(max(session["position"] for session in sessions))}
    async with client.get(SESSIONS, headers={**key, **last}) as answer:
        page = await answer.json()
        assert len(page["items"]) == 20
        assert int(answer.headers["Session-Position"]) == page["position"]
        assert page["position"] >= int(last["Session-Position"])


async def test_a_position_that_is_not_in_the_log_is_refused(client, subtests):
    session = await create(client)
    beyond = str(session["position"] + 1)
    for path in (SESSIONS, f"{SESSIONS}/{session['id']}", f"{API}/vms"):
        for text in (beyond, "9" * 19, "9" * 40, "-1", "1.0", "x", "", "٣"):
            with subtests.test(path=path, position=text):
                headers = {"Session-Position": text}
                await refused(client, "GET", path, 400, "bad_position", headers=headers)
        headers = {"Session-Position": str(session["position"])}
        assert await ask(client, "GET", path, headers=headers)
