"""Damage to the views that a start meets is mended by the same start: they come from the log."""

import contextlib
import random
import shutil
import sqlite3

import pytest
from structlog.testing import capture_logs

from projections.cache_file import CacheDamaged
from projections.views.store import FILE_NAME, PAGE_BYTES
from sessions.app import make_app, open_service, wall_clock_us
from sessions.settings import Settings
from tests.support.process import eventually
from tests.support.replays import bodies_in
from tests.support.service import API, ask, create, new_key, start

LISTS = (f"{API}/sessions", f"{API}/vms", f"{API}/keys")


async def lists(client):
    """What the service lists."""
    return [(await ask(client, "GET", path))["items"] for path in LISTS]


def views(folder):
    return folder / "data" / FILE_NAME


def roots(folder):
    """The first page of each table and index, by its name."""
    with contextlib.closing(sqlite3.connect(views(folder))) as file:
        sql = "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"
        return dict(file.execute(sql).fetchall())


def garble(folder, page):
    """Make noise of a page: SQLite finds it when it reads it."""
    with views(folder).open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(random.Random(page).randbytes(PAGE_BYTES))


def change(folder, sql):
    """Change a row behind the back of its owner."""
    with contextlib.closing(sqlite3.connect(views(folder))) as file, file:
        file.execute(sql)


@pytest.fixture
async def made(aiohttp_client, tmp_path):
    """What a service listed that has stopped since."""
    client = await start(aiohttp_client, tmp_path)
    for number in range(3):
        await new_key(client, "default")
        await create(client, title=f"number {number}")
    found = await lists(client)
    await client.close()
    return found


async def started(aiohttp_client, tmp_path):
    """A client, and why the views were made anew, each time that it was done."""
    with capture_logs() as told:
        client = await start(aiohttp_client, tmp_path)
    return client, [line["reason"] for line in told if line["event"] == "views.made_anew"]


async def same_again(aiohttp_client, tmp_path, before):
    """The damage is told by the start that mends it, not by the next one."""
    log = bodies_in(tmp_path / "data")
    client, why = await started(aiohttp_client, tmp_path)
    assert len(why) == 1
    assert await lists(client) == before
    await client.close()
    assert bodies_in(tmp_path / "data") == log
    client, why = await started(aiohttp_client, tmp_path)
    assert why == []
    assert await lists(client) == before


@pytest.mark.parametrize(
    "name",
    [
        "keys",
        "devices_there_0",
        "sessions_by_owner_0",
        # Whoever meets these would try again, and again, on a file that stays as it is.
        "vms_there_0",
        "sessions_with_browsers_0",
    ],
)
async def test_a_page_that_the_start_reads(aiohttp_client, tmp_path, made, name):
    garble(tmp_path, roots(tmp_path)[name])
    await same_again(aiohttp_client, tmp_path, made)


@pytest.mark.parametrize("state", ["'no json'", "'{}'", "substr(state, 1, 40)"])
async def test_a_row_that_the_start_cannot_decode(aiohttp_client, tmp_path, made, state):
    change(tmp_path, f"UPDATE keys SET state = {state}")
    await same_again(aiohttp_client, tmp_path, made)


async def test_text_that_is_none(aiohttp_client, tmp_path, made):
    change(tmp_path, "UPDATE checkpoint SET version = CAST(x'ff' AS TEXT)")
    await same_again(aiohttp_client, tmp_path, made)


@pytest.mark.parametrize("how", ["page", "row"])
async def test_a_state_from_which_the_start_catches_up(aiohttp_client, tmp_path, made, how):
    shutil.copy(views(tmp_path), tmp_path / "kept")
    client = await start(aiohttp_client, tmp_path)
    path = f"{API}/sessions/{made[0][0]['id']}/messages"
    await ask(client, "POST", path, 201, json={"role": "user", "content": "more"})
    before = await lists(client)
    await client.close()
    shutil.copy(tmp_path / "kept", views(tmp_path))
    if how == "page":
        garble(tmp_path, roots(tmp_path)["sessions"])
    else:
        change(tmp_path, "UPDATE sessions SET state = '{'")
    await same_again(aiohttp_client, tmp_path, before)


async def test_a_row_that_a_list_cannot_decode(aiohttp_client, tmp_path, made):
    change(tmp_path, "UPDATE sessions SET state = '{'")
    client, why = await started(aiohttp_client, tmp_path)
    assert why == []
    for query in ("", "?metadata.n=4"):
        problem = await ask(client, "GET", f"{API}/sessions{query}", 503)
        assert problem["code"] == "storage_unavailable"
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == made


async def test_a_rebuild_over_damage_fails_and_a_start_mends_it(aiohttp_client, tmp_path, made):
    garble(tmp_path, roots(tmp_path)["session_labels_by_label_0"])
    client, _ = await started(aiohttp_client, tmp_path)
    await ask(client, "POST", f"{API}/views/rebuild", 202)
    await eventually(lambda: not views(tmp_path).exists(), 60, "the end of its file")
    await client.close()
    client = await start(aiohttp_client, tmp_path)
    assert await lists(client) == made


async def test_views_that_are_damaged_again_at_once_are_refused(tmp_path, monkeypatch):
    async def worn_out(_):
        raise CacheDamaged

    monkeypatch.setattr("sessions.app.all_keys", worn_out)
    settings = Settings(data=str(tmp_path))
    with pytest.raises(CacheDamaged):
        async with open_service(make_app(settings), settings, wall_clock_us):
            pass
