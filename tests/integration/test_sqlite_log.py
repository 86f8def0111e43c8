"""The log on SQLite against the file, the disk and a second process."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from eventstore.commit import START
from eventstore.errors import Conflict, LogBusy, LogClosed, LogFormatError, LogLocked, StorageError
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from tests.support.logs import (
    NEW,
    Clock,
    check_log,
    commit_id,
    filled,
    gather_outcomes,
    positions,
    whole,
    wish,
)

ROOT = Path(__file__).resolve().parents[2]

OPEN_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from eventstore.sqlite.log import SqliteLog

async def main():
    log = await SqliteLog.open(Path(sys.argv[1]))
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await log.close()

asyncio.run(main())
"""


@pytest.fixture
async def log(tmp_path):
    log = await SqliteLog.open(tmp_path, clock_us=Clock())
    yield log
    await log.close()


async def test_a_log_is_the_same_after_it_was_reopened(tmp_path):
    log = await SqliteLog.open(tmp_path)
    await filled(log, ["a", "b", "a", "c", "a"])
    original = await log.append(wish("b", id=commit_id(1), data=["kept"]))
    head, commits = log.head(), await whole(log)
    await log.close()

    log = await SqliteLog.open(tmp_path)
    assert log.head() == head
    assert await whole(log) == commits
    assert await log.find(commit_id(1)) == original
    assert await log.append(wish("b", id=commit_id(1), data=["kept"])) == original
    with pytest.raises(Conflict) as caught:
        await log.append(wish("a", NEW))
    assert caught.value.actual == 5
    assert (await log.append(wish("a", 5))).position == 7
    await check_log(log)
    await log.close()


@pytest.mark.parametrize(
    ("pragma", "value"),
    # What no kill can test: an answer comes after the fsync, and one connection checkpoints.
    [("journal_mode", "wal"), ("synchronous", 2), ("wal_autocheckpoint", 0), ("mmap_size", 0)],
)
async def test_the_writer_keeps_the_settings_that_durability_rests_on(log, pragma, value):
    assert list(await log._connection.execute_fetchall(f"PRAGMA {pragma}")) == [(value,)]


async def test_a_reader_cannot_write(log):
    for reader in log._readers:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await reader.execute_fetchall("DELETE FROM log")


async def test_two_logs_have_two_names(tmp_path):
    one, other = [await SqliteLog.open(tmp_path / name) for name in "ab"]
    assert one.head().epoch != other.head().epoch
    await one.close()
    await other.close()


async def test_a_second_process_is_refused_and_told_who_writes(tmp_path):
    log = await SqliteLog.open(tmp_path)  # so that the name of an earlier owner is there too
    await log.close()
    with subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(LogLocked, match=rf", process {owner.pid}\)"):
            await SqliteLog.open(tmp_path)
        owner.communicate("")
    assert owner.returncode == 0
    log = await SqliteLog.open(tmp_path)
    await filled(log, ["a"])
    await log.close()


async def test_a_second_log_in_the_same_process_is_refused_too(log, tmp_path):
    with pytest.raises(LogLocked):
        await SqliteLog.open(tmp_path)
    await filled(log, ["a"])


async def test_a_cancelled_append_does_not_break_the_writer(log):
    for turns in range(8):
        tasks = [asyncio.create_task(log.append(wish("a"))) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled = [task.cancel() for task in tasks[:3]]
        await asyncio.wait(tasks)
        assert tasks[3].done()
        assert not tasks[3].cancelled()
        assert any(cancelled) or turns > 0
    await check_log(log)


async def test_an_append_that_was_cancelled_in_time_is_not_written(log):
    task = asyncio.create_task(log.append(wish("a")))
    await asyncio.sleep(0)  # it is queued, and the writer has not had its turn
    task.cancel()
    await asyncio.wait([task])
    assert (await log.append(wish("b"))).position == 1


async def test_the_repeat_of_a_cancelled_append_is_one_commit(log):
    asked = wish("a", NEW, id=commit_id(1))
    for turns in (0, 1, 2, 4):
        task = asyncio.create_task(log.append(asked))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    assert (await log.append(asked)).position == 1
    assert len(await check_log(log)) == 1


@pytest.mark.parametrize(
    ("pragma", "why"),
    [
        ("application_id = 1", "not a sessiond log"),
        ("user_version = 99", "format 99"),
    ],
)
async def test_a_log_of_another_make_is_refused(tmp_path, pragma, why):
    log = await SqliteLog.open(tmp_path)
    await log.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        file.execute(f"PRAGMA {pragma}")
    with pytest.raises(LogFormatError, match=why):
        await SqliteLog.open(tmp_path)


async def test_a_foreign_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(LogFormatError):
        await SqliteLog.open(tmp_path)
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_text("Dear diary, " * 1000)
    before = path.read_bytes()
    with pytest.raises(LogFormatError):
        await SqliteLog.open(tmp_path)
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError):
        await SqliteLog.open(tmp_path / "taken")


async def test_a_refused_open_leaves_the_folder_free(tmp_path):
    (tmp_path / FILE_NAME).write_text("Dear diary, " * 1000)
    with pytest.raises((LogFormatError, StorageError)):
        await SqliteLog.open(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    log = await SqliteLog.open(tmp_path)
    await log.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commits SET body = x'7b7d' WHERE position = 1",
        "UPDATE commits SET position = 9 WHERE position = 2",
        "DELETE FROM commits WHERE position = 2",
        "DELETE FROM commits",
    ],
)
async def test_nobody_changes_or_removes_a_commit(log, tmp_path, statement):
    await filled(log, ["a", "a"])
    with (
        closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as file,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        file.execute(statement)
    assert len(await check_log(log)) == 2


@pytest.mark.parametrize(
    ("position", "stream", "previous", "name", "why"),
    [
        (4, 1, 2, None, "no gap"),
        (2, 1, 0, None, "no gap"),
        (3, 1, 1, None, "UNIQUE"),
        (3, 3, 0, "a", "UNIQUE"),
        (3, 3, 0, None, "CHECK"),
        (3, 1, 3, None, "CHECK"),
    ],
    ids=["gap", "same position", "fork", "second stream of the name", "nameless", "itself"],
)
async def test_the_file_itself_refuses_a_broken_chain(
    log, tmp_path, position, stream, previous, name, why
):
    await filled(log, ["a", "a"])
    row = (position, stream, previous, name, commit_id(1), b"{}", bytes(32))
    with (
        closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as file,
        pytest.raises(sqlite3.IntegrityError, match=why),
    ):
        file.execute("INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)", row)


async def test_events_can_be_read_in_a_plain_shell(log, tmp_path):
    await log.append(wish("a", data=[{"x": 1}, "two"], actor="alice", tenant="lab"))
    await log.append(wish("b", data=[None]))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        rows = file.execute("SELECT * FROM events ORDER BY position, n").fetchall()
    at = "2023-11-14T22:13:20.000Z"
    assert rows == [
        (1, 0, "a", "thing.happened", 1, '{"x":1}', at, "alice", "lab"),
        (1, 1, "a", "thing.happened", 1, "two", at, "alice", "lab"),
        (2, 0, "b", "thing.happened", 1, None, at, "tester", "lab"),
    ]


async def test_a_full_queue_refuses_and_forgets(tmp_path):
    log = await SqliteLog.open(tmp_path, queue_max=3)
    outcomes = await gather_outcomes(log, [wish("a") for _ in range(5)])
    assert [isinstance(outcome, LogBusy) for outcome in outcomes] == [False] * 3 + [True] * 2
    await filled(log, ["a"])
    assert len(await check_log(log)) == 4
    await log.close()


async def test_a_closed_log_takes_nothing_and_closes_twice(tmp_path):
    log = await SqliteLog.open(tmp_path)
    await log.close()
    with pytest.raises(LogClosed):
        await log.append(wish("a"))
    await log.close()


async def test_what_is_queued_at_close_is_written(tmp_path):
    log = await SqliteLog.open(tmp_path)
    tasks = [asyncio.create_task(log.append(wish("a"))) for _ in range(50)]
    await asyncio.sleep(0)
    await log.close()
    assert sorted([(await task).position for task in tasks]) == list(range(1, 51))


async def test_a_conflict_in_a_batch_fails_that_commit_alone(log):
    await filled(log, ["old"])
    batch = [
        wish("a", NEW),
        wish("old", NEW),  # the file knows better, after the whole batch was tried
        wish("a", NEW),
        wish("b"),
        wish("old", 1),
        wish("a", 2),
    ]
    outcomes = await gather_outcomes(log, batch)
    assert [getattr(one, "position", type(one)) for one in outcomes] == [
        2,
        Conflict,
        Conflict,
        3,
        4,
        5,
    ]
    await check_log(log)


async def test_a_batch_is_one_publication_in_order(log):
    heard: list[list[int]] = []
    log.listen(lambda batch: heard.append(positions(batch)))
    await gather_outcomes(log, [wish(f"thing/{n}") for n in range(100)])
    assert heard == [list(range(1, 101))]


async def test_batches_of_every_size_go_in_whole(log):
    for size in [*range(1, 20), 31, 33, 63, 65, 97, 600]:
        before = log.head().size
        await gather_outcomes(log, [wish("a") for _ in range(size)])
        assert log.head().size == before + size
    await check_log(log)


async def test_pages_of_large_commits_are_read_to_the_end(log):
    # SQLite refuses a value of more than SQLITE_MAX_LENGTH, and a page is one value; the limit is
    # set low here because the real one (1 GB) would take a log of a thousand full commits.
    for reader in log._readers:
        await reader._execute(reader._conn.setlimit, sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    for number in range(30):
        await log.append(wish("a", data=["x" * 100_000, number]))
    assert positions(await whole(log)) == list(range(1, 31))
    after, seen = START, []
    while page := await log.read_stream("a", after):
        after = page[-1].commit.position
        seen += positions(page)
    assert seen == list(range(1, 31))


@pytest.mark.parametrize("id_bytes", [0, 15, 17])
async def test_an_id_of_another_length_fails_alone(log, id_bytes):
    good, bad = await gather_outcomes(log, [wish("a"), wish("b", id=bytes(id_bytes))])
    assert good.position == 1
    assert isinstance(bad, ValueError)


async def test_a_commit_without_events_is_refused(log):
    with pytest.raises(ValueError, match="event"):
        await log.append(wish("a", data=[]))
