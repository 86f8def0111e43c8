"""The views are a cache: lost, broken, of another log or version, they come back the same."""

import asyncio
import random
import shutil
import sqlite3

import pytest

from eventstore.commit import Append
from eventstore.sqlite.log import FILE_NAME as LOG_FILE
from projections.events import CODEC
from projections.events.session import MessageAdded, SessionCreated, SessionLabelled
from projections.views.store import FILE_NAME
from tests.support.load import Load, Promises
from tests.support.process import eventually, serving
from tests.support.replays import (
    Replay,
    bodies_in,
    checkpoint_in,
    digest,
    opened_log,
    rebuild_tables_in,
    tables_in,
)

LOAD_S = 0.7
REBUILD = "/api/v1/views/rebuild"
REBUILD_S_MAX = 120.0
REBUILD_KILLS = 6
SESSIONS = 6_000

pytestmark = pytest.mark.slow(reason="starts the service on a dozen kinds of damage")


def replayed(folder):
    """The log of `folder` folded from zero."""
    replay = Replay()
    replay.extend(bodies_in(folder))
    return replay


async def pages(client):
    """The list of sessions, page by page, as the bytes of each item."""
    items, cursor = [], None
    while True:
        query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        async with client.get("/api/v1/sessions", params=query) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items


async def filters(client):
    """A few lists that need other indexes, and the keys."""
    found = []
    for query in ("label=a", "status=running&kind=agent", "text=√", "label=b&label=c"):
        async with client.get(f"/api/v1/sessions?limit=200&{query}") as answer:
            found.append((await answer.json())["items"])
    async with client.get("/api/v1/keys") as answer:
        found.append((await answer.json())["items"])
    return found


async def work(service, seed, seconds):
    """Some sessions, changed by concurrent clients."""
    load = Load(Promises(), random.Random(seed), str(seed))
    async with service.client() as client:
        working = asyncio.create_task(load.run(client))
        await asyncio.sleep(seconds)
        load.stop()
        await working


class Made:
    """A folder of a service that has stopped, and the lists it gave."""

    def __init__(self, folder, lists):
        self.folder = folder
        self.lists = lists


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Made once; each test damages a copy."""
    folder = tmp_path_factory.mktemp("made")

    async def make():
        async with serving(folder) as service:
            await work(service, 1, LOAD_S)
            async with service.client() as client:
                lists = await pages(client), await filters(client)
            await service.stop()
        return Made(folder, lists)

    return asyncio.run(make())


def views_file(folder):
    return folder / FILE_NAME


def delete(folder):
    for suffix in ("", "-wal", "-shm"):
        views_file(folder).with_name(FILE_NAME + suffix).unlink(missing_ok=True)


def fill_with_garbage(folder):
    views_file(folder).write_bytes(random.Random(1).randbytes(100_000))


def make_text_of_it(folder):
    views_file(folder).write_text("not a database, but text for a while\n" * 1000)


def truncate(share):
    def cut(folder):
        path = views_file(folder)
        with path.open("r+b") as file:
            file.truncate(int(path.stat().st_size * share))

    return cut


def cut_the_last_page(folder):
    """What SQLite does not see: to it the page is there, and ends in zeros."""
    path = views_file(folder)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)


def garble_pages(folder):
    """The first page stays as it is, all the others are noise: it still opens as a database."""
    size = views_file(folder).stat().st_size
    with views_file(folder).open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(2).randbytes(size - 4096))


def change(sql):
    def apply(folder):
        connection = sqlite3.connect(views_file(folder))
        with connection:
            connection.execute(sql)
        connection.close()

    return apply


def other_tables(folder):
    delete(folder)
    change("CREATE TABLE something (else_ TEXT)")(folder)


DAMAGES = {
    "deleted": delete,
    "garbage": fill_with_garbage,
    "text": make_text_of_it,
    "empty": truncate(0),
    "cut to a third": truncate(1 / 3),
    "cut by a little": truncate(0.99),
    "cut in its last page": cut_the_last_page,
    "garbled behind its first page": garble_pages,
    "of another log": change("UPDATE checkpoint SET epoch = 'another'"),
    "of another version": change("UPDATE checkpoint SET version = 'session 0'"),
    "without a checkpoint": change("DELETE FROM checkpoint"),
    "another database": other_tables,
    "left in a rebuild": change("CREATE TABLE sessions_next (created INTEGER PRIMARY KEY)"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_damaged_views_come_back_with_the_same_lists(made, tmp_path, damage):
    folder = tmp_path / "data"
    shutil.copytree(made.folder, folder)
    damage(folder)
    async with serving(folder) as service:
        async with service.client() as client:
            assert (await pages(client), await filters(client)) == made.lists
        await work(service, 2, LOAD_S / 2)
        async with service.client() as client:
            assert len(await pages(client)) > len(made.lists[0])
        assert "crashed" not in service.stderr
        await service.stop()
    replay = replayed(folder)
    assert checkpoint_in(folder) == len(replay.bodies)
    assert tables_in(folder) == replay.tables()
    assert rebuild_tables_in(folder) == []


async def test_damage_that_is_found_late_is_told_and_mended_by_a_start(made, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(made.folder, folder)
    connection = sqlite3.connect(views_file(folder))
    # What a list of a tenant is found by, and nothing that a start does.
    sql = "SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sessions_in_order%'"
    (page,) = connection.execute(sql).fetchone()
    connection.close()
    with views_file(folder).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(random.Random(3).randbytes(4096))
    async with serving(folder) as service:
        async with service.client() as client:
            for _ in range(2):
                async with client.get("/api/v1/sessions") as answer:
                    problem = await answer.json()
                assert (answer.status, problem["code"]) == (503, "storage_unavailable")
                assert problem["detail"].startswith("The lists are damaged")
        await work(service, 5, LOAD_S / 2)
        assert "crashed" not in service.stderr
        await service.stop()
    async with serving(folder) as service, service.client() as client:
        assert (await pages(client))[-len(made.lists[0]) :] == made.lists[0]
    assert tables_in(folder) == replayed(folder).tables()


async def test_views_that_are_deleted_but_for_their_wal_come_back(made, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(made.folder, folder)
    async with serving(folder) as service:
        await work(service, 3, LOAD_S / 2)
        async with service.client() as client:
            lists = await pages(client), await filters(client)
        service.kill()
    assert views_file(folder).with_name(FILE_NAME + "-wal").stat().st_size
    views_file(folder).unlink()
    async with serving(folder) as service, service.client() as client:
        assert (await pages(client), await filters(client)) == lists
    assert tables_in(folder) == replayed(folder).tables()


async def test_a_log_that_was_put_back_does_not_meet_the_views_of_its_future(made, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(made.folder, folder)
    async with serving(folder) as service:
        await work(service, 4, LOAD_S / 2)
        await service.stop()
    # Else the service would not start: the heads speak of the future too.
    shutil.rmtree(folder / "heads")
    shutil.copytree(made.folder / "heads", folder / "heads")
    shutil.copy(made.folder / LOG_FILE, folder)
    async with serving(folder) as service, service.client() as client:
        assert (await pages(client), await filters(client)) == made.lists
        assert tables_in(folder) == replayed(folder).tables()


def wish(number, fact, expected):
    return Append(
        stream=f"session/s-{number}",
        expected=expected,
        commit_id=digest(f"{number} {fact}".encode())[:16],
        events=(CODEC.encode(fact),),
        actor="tester",
        tenant="default",
    )


async def fill(folder):
    """A log that takes a while to fold."""
    created = SessionCreated(
        kind="agent", dialect="native", owner="o", status="running", max_duration_s=10**6
    )
    labelled = SessionLabelled(labels=("a", "b"))
    said = MessageAdded(id="m", role="user", content="x" * 200)
    async with opened_log(folder) as log:
        for start in range(0, SESSIONS, 500):
            for fact in (created, labelled, said):
                wishes = [wish(n, fact, None) for n in range(start, start + 500)]
                await asyncio.gather(*map(log.append, wishes))


async def rebuilt(service):
    """Ask for a rebuild and wait until it is done; how it went."""
    async with service.client() as client:
        async with client.post(REBUILD) as answer:
            assert answer.status == 202
        async with asyncio.timeout(REBUILD_S_MAX):
            while True:
                async with client.get(REBUILD) as answer:
                    state = await answer.json()
                if state["status"] != "running":
                    return state
                await asyncio.sleep(0.02)


@pytest.mark.slow(reason="fills a log of 18,000 commits and kills the service in its rebuilds")
async def test_kill_9_in_a_rebuild_leaves_the_old_views_and_no_rest(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "data"
    await fill(folder)
    longest, left = 1.0, 0
    for number in range(REBUILD_KILLS):
        async with serving(folder) as service:
            replay = replayed(folder)
            assert tables_in(folder) == replay.tables()
            assert rebuild_tables_in(folder) == []
            async with service.client() as client:
                if number == 0:
                    began = asyncio.get_running_loop().time()
                    assert (await rebuilt(service))["status"] == "done"
                    longest = asyncio.get_running_loop().time() - began
                async with client.post(REBUILD) as answer:
                    assert answer.status == 202
                load = Load(Promises(), chance, f"r{number}")
                working = asyncio.create_task(load.run(client, 2))
                if number % 2:
                    # How long a rebuild takes is not the same at any moment: these are hit.
                    await eventually(
                        lambda: rebuild_tables_in(folder) != [], REBUILD_S_MAX, "its tables"
                    )
                else:
                    await asyncio.sleep(chance.random() * 1.5 * longest)
                service.kill()
                await working
            left += bool(rebuild_tables_in(folder))
    assert left, "no kill hit a rebuild"
    async with serving(folder) as service:
        async with service.client() as client:
            before = await pages(client), await filters(client)
            for _ in range(2):
                state = await rebuilt(service)
                assert (state["status"], state["position"]) == ("done", state["head"])
            assert (await pages(client), await filters(client)) == before
        assert rebuild_tables_in(folder) == []
        await service.stop()
    assert tables_in(folder) == replayed(folder).tables()


async def test_appends_during_a_rebuild_are_in_the_views_that_it_makes(tmp_path):
    folder = tmp_path / "data"
    await fill(folder)
    async with serving(folder) as service:
        load = Load(Promises(), random.Random(4), "r")
        async with service.client() as client:
            working = asyncio.create_task(load.run(client, 4))
            for _ in range(3):
                assert (await rebuilt(service))["status"] == "done"
            load.stop()
            await working
            assert load.answers
            await pages(client)  # waits until the views are at the head
        head = len(bodies_in(folder))
        await eventually(lambda: checkpoint_in(folder) == head, REBUILD_S_MAX, "the views")
        assert tables_in(folder) == replayed(folder).tables()
        await service.stop()
