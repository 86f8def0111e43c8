"""The views are a cache: rebuilt under traffic, and back again when they are deleted."""

import asyncio
import itertools

import pytest

from projections.views.store import FILE_NAME
from tests.support.service import API, ask, bearer, create, ids_of_list, move, new_key, start

REBUILD = f"{API}/views/rebuild"
QUERIES: list[list[tuple[str, str]]] = [
    [],
    [("kind", "vm")],
    [("status", "running")],
    [("label", "odd"), ("label", "all")],
    [("metadata.n", "4")],
    [("text", "session 1")],
    [("tenant", "other")],
]


async def lists(client):
    """What each of the queries lists, page by page."""
    return [await ids_of_list(client, [*query, ("limit", "7")]) for query in QUERIES]


async def fill(client, count):
    """Sessions of every sort, some of them gone again."""
    other = bearer((await new_key(client, "other"))["key"])
    for number in range(count):
        session = await create(
            client,
            "vm" if number % 3 else "agent",
            headers=other if number % 5 == 0 else None,
            title=f"Session {number}",
            labels=["all", "odd" if number % 2 else "even"],
            metadata={"n": number},
        )
        if number % 4 == 0:
            await move(client, session, "running")
        if number % 7 == 0:
            await ask(client, "DELETE", f"/api/v1/sessions/{session['id']}", 204)


async def rebuilt(client):
    """Start a rebuild and wait until it is done."""
    assert (await ask(client, "POST", REBUILD, 202))["status"] == "running"
    state = {"status": "running"}
    async with asyncio.timeout(120):
        while state["status"] == "running":
            await asyncio.sleep(0.01)
            state = await ask(client, "GET", REBUILD)
    assert state["status"] == "done", state
    return state


async def test_a_rebuild_changes_no_list(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    assert (await ask(client, "GET", REBUILD))["status"] == "none"
    await fill(client, 40)
    before = await lists(client)
    assert all(before)
    for _ in range(3):
        await rebuilt(client)
        assert await lists(client) == before
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == before


async def test_a_second_rebuild_joins_the_first(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    await fill(client, 10)
    asked = (ask(client, "POST", REBUILD, 202) for _ in range(5))
    assert {state["status"] for state in await asyncio.gather(*asked)} == {"running"}


async def test_nothing_is_lost_while_rebuilds_and_changes_go_on(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    await fill(client, 20)
    made: dict[str, str] = dict.fromkeys(await ids_of_list(client), "")
    stop = asyncio.Event()

    async def make(worker):
        while not stop.is_set():
            session = await create(client, labels=[f"w{worker}"], title="made meanwhile")
            made[session["id"]] = "pending"
            session = await move(client, session, "running")
            made[session["id"]] = "running"
            # What was answered is listed, in the middle of a rebuild too.
            assert session["id"] in await ids_of_list(client, {"label": f"w{worker}", "limit": 200})

    workers = [asyncio.create_task(make(worker)) for worker in range(4)]
    for rebuilds in itertools.count(1):
        await rebuilt(client)
        if rebuilds >= 6 and len(made) > 30:
            break
    stop.set()
    await asyncio.gather(*workers)
    assert len(made) > 30
    assert set(await ids_of_list(client, {"limit": 200})) == set(made)
    running = set(await ids_of_list(client, {"status": "running", "text": "made meanwhile"}))
    assert running == {session_id for session_id, status in made.items() if status == "running"}
    before = await lists(client)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == before


@pytest.mark.parametrize("damage", ["deleted", "garbage", "empty", "truncated"])
async def test_views_that_are_gone_or_broken_come_back_from_the_log(
    aiohttp_client, tmp_path, damage
):
    client = await start(aiohttp_client, tmp_path)
    await fill(client, 40)
    key = await new_key(client, "default")
    before = await lists(client)
    await client.close()
    file = tmp_path / "data" / FILE_NAME
    match damage:
        case "deleted":
            file.unlink()
        case "garbage":
            file.write_bytes(b"not a database " * 4096)
        case "empty":
            file.write_bytes(b"")
        case _:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == before
    assert await ask(client, "GET", "/api/v1/sessions", headers=bearer(key["key"]))


async def test_a_service_that_stops_amid_a_rebuild_has_its_lists_again(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    await fill(client, 30)
    before = await lists(client)
    await ask(client, "POST", REBUILD, 202)
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == before
    await rebuilt(client)
    assert await lists(client) == before
