"""A log loaded in bulk is, row by row, the log that appends would have made; or it is refused."""

import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace

from eventstore.commit import Position, Recorded, encode
from eventstore.errors import StorageFull
from eventstore.sqlite import bulkload
from eventstore.sqlite.bulkload import BulkLoad, NotNext
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from tests.support.logs import check_log, filled, whole

STREAMS = ["a", "b", "a", "c", "b", "a", "d", "c"]


@pytest.fixture
async def log(tmp_path):
    log = await SqliteLog.open(tmp_path / "log")
    await filled(log, STREAMS)
    yield log
    await log.close()


def loaded(folder, commits, page=3, epoch="e"):
    folder.mkdir(exist_ok=True)
    with closing(BulkLoad(folder / FILE_NAME, epoch, 1)) as load:
        for start in range(0, len(commits), page):
            load.append(commits[start : start + page])
        return load.finish()


def rows(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as file:
        schema = file.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
        return file.execute("SELECT * FROM commits ORDER BY position").fetchall(), schema


# With room for few streams, where one stands is looked up in the file.
@pytest.mark.parametrize("heads", [1, 2, 100])
async def test_it_is_the_same_file_and_takes_appends(log, tmp_path, monkeypatch, heads):
    monkeypatch.setattr(bulkload, "HEADS_MAX", heads)
    commits = await whole(log)
    head = loaded(tmp_path / "new", commits, epoch=log.epoch)
    assert head == log.head()
    assert rows(tmp_path / "new") == rows(tmp_path / "log")
    again = await SqliteLog.open(tmp_path / "new")
    await filled(again, ["a", "z"])
    assert len(await check_log(again)) == len(commits) + 2
    await again.close()


def changed(recorded, **fields):
    commit = replace(recorded.commit, **fields)
    return Recorded(commit, encode(commit))


@pytest.mark.parametrize("heads", [1, 100])
@pytest.mark.parametrize(
    ("place", "fields", "position"),
    [
        (4, {"position": Position(6)}, 6),
        (4, {"position": Position(4)}, 4),
        (2, {"previous": Position(0)}, 3),
        (5, {"previous": Position(1)}, 6),
        (5, {"previous": Position(2)}, 6),
        (5, {"stream": "new"}, 6),
        (5, {"previous": Position(5)}, 6),
        (5, {"id": "00" * 15}, 6),
        (5, {"id": "AB" * 16}, 6),
        (5, {"id": "not in hexadecimal"}, 6),
    ],
)
async def test_what_cannot_be_next_is_refused(
    log, tmp_path, monkeypatch, heads, place, fields, position
):
    monkeypatch.setattr(bulkload, "HEADS_MAX", heads)
    commits = await whole(log)
    commits[place] = changed(commits[place], **fields)
    with pytest.raises(NotNext) as error:
        loaded(tmp_path / "new", commits)
    assert error.value.position == position


async def test_an_id_that_was_used_is_refused(log, tmp_path):
    commits = await whole(log)
    commits[6] = changed(commits[6], id=commits[1].commit.id)
    with pytest.raises(NotNext, match="id or its place") as error:
        loaded(tmp_path / "new", commits)
    assert error.value.position == 7


async def test_a_full_disk_says_so(log, tmp_path):
    with closing(BulkLoad(tmp_path / "new.db", "e", 1)) as load:
        load._connection.execute("PRAGMA max_page_count = 12")
        commits = await whole(log)
        big = changed(commits[0], actor="x" * 100_000)
        with pytest.raises(StorageFull):
            load.append([big])
