"""The snapshots are a cache: whatever becomes of their file, they come back or are done without."""

import asyncio
import contextlib
import sqlite3

import pytest

from eventstore.commit import Position
from eventstore.memory import MemoryLog
from projections import snapshotting
from projections.history import History
from projections.snapshots import Snapshots
from projections.snapshotting import Snapshotting
from projections.subjects import SESSION
from tests.support.logs import Clock
from tests.support.pasts import closing_snapshots, folded, grown

COMMITS = 100
EVERY = 30
EPOCH = "memory"


class Failing(Exception):
    """What a test puts in the way."""


@pytest.fixture(autouse=True)
async def all_closed():
    """A snapshot that stays open would keep the process from its end."""
    async with closing_snapshots():
        yield


async def opened(folder, size=COMMITS, epoch=EPOCH):
    """The snapshots in a folder."""
    snapshots = Snapshots(folder, epoch)
    await snapshots.open(Position(size))
    return snapshots


@pytest.fixture
async def log():
    log = MemoryLog(Clock())
    await grown(log, 11, COMMITS)
    return log


@pytest.fixture
async def made(tmp_path, log):
    """A folder with snapshots in it."""
    snapshots = await opened(tmp_path)
    await Snapshotting(log, snapshots, print, every=EVERY, rest=0).catch_up()
    await snapshots.close()
    return tmp_path


def rows_in(folder):
    """All that the file holds."""
    with contextlib.closing(sqlite3.connect(folder / "snapshots.db")) as file:
        sql = "SELECT prefix, created, snapshot, id, state FROM states ORDER BY 1, 2, 3"
        return file.execute(sql).fetchall()


def changed(folder, statement, *parameters):
    """Change the file behind the back of its owner."""
    with contextlib.closing(sqlite3.connect(folder / "snapshots.db")) as file:
        file.execute(statement, parameters)
        file.commit()


def finished(snapshots, monkeypatch):
    """A queue of the snapshots as they are finished."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    finish = snapshots.finish

    async def finish_and_tell(snapshot):
        await finish(snapshot)
        queue.put_nowait(snapshot)

    monkeypatch.setattr(snapshots, "finish", finish_and_tell)
    return queue


@contextlib.asynccontextmanager
async def running(making):
    """The task that makes them."""
    task = asyncio.create_task(making.run())
    try:
        async with asyncio.timeout(120):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_holds_the_streams_that_changed_since_the_one_before(made, log):
    commits = await log.commits(Position(0), COMMITS)
    expected = set()
    for snapshot in (30, 60, 90):
        states = folded(commits, snapshot)
        touched = {commit.stream for commit in commits[snapshot - EVERY : snapshot]}
        expected |= {(states[name].created, snapshot) for name in touched & states.keys()}
    assert [(created, at) for _, created, at, _, _ in rows_in(made)] != []
    assert {(created, at) for _, created, at, _, _ in rows_in(made)} == expected


async def test_they_are_kept_over_a_restart_and_go_on_from_there(made, log):
    before = rows_in(made)
    snapshots = await opened(made)
    assert snapshots.positions == [30, 60, 90]
    await grown(log, 12, 20)
    await Snapshotting(log, snapshots, print, every=EVERY, rest=0).catch_up()
    assert snapshots.positions == [30, 60, 90, 120]
    await snapshots.close()
    assert [row for row in rows_in(made) if row[2] <= 90] == before


@pytest.mark.parametrize(
    ("statement", "size", "epoch"),
    [
        ("UPDATE origin SET version = 'snapshots 0'", COMMITS, EPOCH),
        ("UPDATE origin SET epoch = 'other'", COMMITS, EPOCH),
        ("DELETE FROM origin", COMMITS, EPOCH),
        ("DROP TABLE snapshots", COMMITS, EPOCH),
        ("SELECT 1", COMMITS, "another log"),
        ("SELECT 1", 89, EPOCH),
    ],
    ids=["version", "epoch", "origin", "table", "log", "shorter log"],
)
async def test_what_does_not_fit_the_log_is_thrown_away(made, statement, size, epoch):
    changed(made, statement)
    beside = Snapshots(made, epoch)
    assert not await beside.open_beside(Position(size))
    assert rows_in(made) != []  # who only reads removes nothing
    snapshots = await opened(made, size, epoch)
    assert snapshots.positions == []
    await snapshots.close()
    assert rows_in(made) == []


async def test_a_file_that_is_no_database_is_thrown_away(made):
    for name in made.glob("snapshots.db-*"):
        name.unlink()
    (made / "snapshots.db").write_bytes(b"no database, but text for a while\n" * 1000)
    assert not await Snapshots(made, EPOCH).open_beside(Position(COMMITS))
    snapshots = await opened(made)
    assert snapshots.positions == []
    await snapshots.close()


async def test_a_reader_beside_leaves_no_trace(made):
    before = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    snapshots = Snapshots(made, EPOCH)
    assert await snapshots.open_beside(Position(COMMITS))
    assert snapshots.before(Position(59)) == 30
    await snapshots.close()
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == before


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_one_that_is_broken_off_does_not_count_and_is_made_again(
    tmp_path, log, made, monkeypatch, writes
):
    monkeypatch.setattr(snapshotting, "ROWS_PER_WRITE", 3)
    folder = tmp_path / "broken"
    folder.mkdir()
    snapshots = await opened(folder)
    write = snapshots.write
    done: list[int] = []

    async def fail(rows, snapshot):
        if snapshot == 60 and len(done) == writes:
            raise Failing
        done.append(snapshot)
        await write(rows, snapshot)
        if snapshot < 60:
            done.clear()

    monkeypatch.setattr(snapshots, "write", fail)
    with pytest.raises(Failing):
        await Snapshotting(log, snapshots, print, every=EVERY, rest=0).catch_up()
    assert snapshots.positions == [30]
    await snapshots.close()
    assert any(row[2] == 60 for row in rows_in(folder)) == (writes > 0)
    again = await opened(folder)
    assert again.positions == [30]
    assert all(row[2] == 30 for row in rows_in(folder))
    await Snapshotting(log, again, print, every=EVERY, rest=0).catch_up()
    await again.close()
    assert rows_in(folder) == rows_in(made)


async def test_a_failure_is_told_and_tried_again_and_the_past_goes_on(tmp_path, log, monkeypatch):
    monkeypatch.setattr(snapshotting, "RETRY_S", 0.001)
    told: asyncio.Queue[Exception] = asyncio.Queue()
    snapshots = Snapshots(tmp_path / "none", EPOCH)
    making = Snapshotting(log, snapshots, told.put_nowait, every=EVERY, rest=0)
    await making.open()
    made = finished(snapshots, monkeypatch)
    async with running(making):
        for _ in range(3):
            assert isinstance(await told.get(), sqlite3.OperationalError)
        assert await History(log, snapshots).select(Position(60), SESSION, lambda _: True)
        (tmp_path / "none").mkdir()
        assert [await made.get() for _ in range(3)] == [30, 60, 90]
    assert snapshots.positions == [30, 60, 90]
    await snapshots.close()


async def test_a_file_that_breaks_while_it_is_used_is_made_anew(made, log, monkeypatch):
    monkeypatch.setattr(snapshotting, "RETRY_S", 0.001)
    told: asyncio.Queue[Exception] = asyncio.Queue()
    snapshots = await opened(made)
    changed(made, "DROP TABLE states")
    await grown(log, 12, 20)
    making = Snapshotting(log, snapshots, told.put_nowait, every=EVERY, rest=0)
    anew = finished(snapshots, monkeypatch)
    async with running(making):
        assert isinstance(await told.get(), sqlite3.Error)
        assert [await anew.get() for _ in range(4)] == [30, 60, 90, 120]
    assert snapshots.positions == [30, 60, 90, 120]
    await snapshots.close()


async def test_a_row_that_cannot_be_decoded_is_done_without_and_made_anew(made, log, monkeypatch):
    monkeypatch.setattr(snapshotting, "RETRY_S", 0.001)
    told: asyncio.Queue[Exception] = asyncio.Queue()
    [commit] = await log.commits(Position(0), 1)
    expected = await History(log, Snapshots(made, EPOCH)).state(commit.stream, Position(95))
    changed(made, "UPDATE states SET state = '{'")
    snapshots = await opened(made)
    assert await History(log, snapshots).state(commit.stream, Position(95)) == expected
    assert await History(log, snapshots).select(Position(95), SESSION, lambda _: True)
    await grown(log, 12, 20)
    making = Snapshotting(log, snapshots, told.put_nowait, every=EVERY, rest=0)
    anew = finished(snapshots, monkeypatch)
    async with running(making):
        assert isinstance(await told.get(), sqlite3.Error)
        assert [await anew.get() for _ in range(4)] == [30, 60, 90, 120]
    await snapshots.close()


async def test_it_wakes_up_when_the_log_has_grown_enough(tmp_path, monkeypatch):
    log = MemoryLog(Clock())
    snapshots = await opened(tmp_path, 0)
    made = finished(snapshots, monkeypatch)
    async with running(Snapshotting(log, snapshots, print, every=EVERY, rest=0)):
        await grown(log, 1, EVERY - 1)
        await asyncio.sleep(0)
        assert made.empty()
        await grown(log, 2, 1)
        assert await made.get() == EVERY
    await snapshots.close()
