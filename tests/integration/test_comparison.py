"""The log folded anew against the views: what differs is named, with the event that parts them."""

import asyncio
import contextlib
import itertools
import shutil
import sqlite3

import pytest

from eventstore.commit import START, Position
from eventstore.sqlite.archive import Archive
from eventstore.sqlite.log import SqliteLog
from projections.comparison import ViewsUnusable, compare
from projections.follower import Follower
from projections.marks import MARKS
from projections.subjects import SESSION, SUBJECTS, fold
from projections.views.store import Views
from tests.support.logs import Clock
from tests.support.pasts import folded, grown

COMMITS = 300
STREAMS = 60
MARKED = {"session_labels": ("x",), "session_refs": ("customId", "x")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a log and its views, and the commits of the log."""
    folder = tmp_path_factory.mktemp("made")
    return folder, asyncio.run(make(folder))


async def make(folder):
    """Write a log, then its views."""
    log = await SqliteLog.open(folder, clock_us=Clock())
    views = await Views.open(folder, log.epoch)
    try:
        commits = await grown(log, 24, COMMITS, STREAMS)
        await Follower(log, views).catch_up()
    finally:
        await views.close()
        await log.close()
    return commits


@pytest.fixture
def case(made, tmp_path):
    """A copy that a test may damage."""
    folder, commits = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path, commits


def compared(folder):
    """What a comparison says."""
    told: list[int] = []
    with Archive(folder) as archive:
        found = compare(archive, folder, told.append)
    assert told == sorted(told)
    return found


def views_sql(folder, statement, *parameters):
    """Run a statement on the views behind the back of their owner; its rows."""
    with contextlib.closing(sqlite3.connect(folder / "views.db")) as file:
        rows = file.execute(statement, parameters).fetchall()
        file.commit()
    return rows


def test_views_that_are_right_are_right_in_all_they_hold(case):
    folder, _ = case
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    found = compared(folder)
    assert found.difference is None
    assert (found.commits, found.events, found.checkpoint) == (COMMITS, COMMITS, COMMITS)
    tables = [subject.table for subject in SUBJECTS.values()]
    tables += [marks.table for marks in MARKS]
    counts = [views_sql(folder, f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    assert all(counts)
    assert found.rows == sum(counts)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


COLUMNS = [
    (prefix, column)
    for prefix, subject in SUBJECTS.items()
    for column in subject.columns
    if column not in ("created", "state")
]


NUMBERS = (
    *("created_at", "deadline", "tests_running", "browser_open", "deleted"),
    *("waits_for_worker", "held", "turn"),
)


@pytest.mark.parametrize(("prefix", "column"), COLUMNS, ids=lambda value: str(value).strip("/"))
def test_a_wrong_value_in_any_column_is_found(case, prefix, column):
    folder, _ = case
    table = SUBJECTS[prefix].table
    [(created,)] = views_sql(folder, f"SELECT max(created) FROM {table}")
    wrong = 7 if column in NUMBERS else "wrong"
    views_sql(folder, f"UPDATE {table} SET {column} = ? WHERE created = ?", wrong, created)
    found = compared(folder).difference
    assert (found.table, found.created, found.column) == (table, created, column)
    assert (found.found, found.expected) == (wrong, found.expected)
    assert found.expected != wrong
    assert found.split >= created


@pytest.mark.parametrize("prefix", SUBJECTS)
def test_a_row_that_is_missing_or_too_many_is_found(case, prefix):
    folder, commits = case
    shutil.copy(folder / "views.db", folder / "kept.db")
    table = SUBJECTS[prefix].table
    [(created, id_)] = views_sql(folder, f"SELECT created, id FROM {table} LIMIT 1")
    views_sql(folder, f"DELETE FROM {table} WHERE created = ?", created)
    found = compared(folder).difference
    assert (found.table, found.created, found.id) == (table, created, id_)
    assert (found.found, found.split) == (None, created)
    columns = ", ".join(SUBJECTS[prefix].columns[2:])
    [(other,)] = views_sql(folder, f"SELECT max(created) FROM {table}")
    copy = f"INSERT INTO {table} (created, id, {columns}) SELECT ?, 'x', {columns} FROM {table}"
    later = next(one.position for one in commits if one.previous)
    for free in (later, COMMITS + 7):
        shutil.copy(folder / "kept.db", folder / "views.db")
        views_sql(folder, f"{copy} WHERE created = ?", free, other)
        found = compared(folder).difference
        assert (found.table, found.created, found.id) == (table, free, "x")
        assert (found.expected, found.split) == (None, START)


def test_a_row_that_missed_events_parts_from_the_log_at_the_first_of_them(case):
    folder, commits = case
    checked = 0
    streams = {one.stream for one in commits if one.stream.startswith("session/")}
    shutil.copy(folder / "views.db", folder / "kept.db")
    for stream in sorted(streams):
        own = [one for one in commits if one.stream == stream]
        if len(own) < 4:
            continue
        stale = folded(commits, own[1].position)[stream]
        row = SESSION.row(stale)
        shutil.copy(folder / "kept.db", folder / "views.db")
        views_sql(folder, "UPDATE sessions SET state = ? WHERE created = ?", row[-1], row[0])
        found = compared(folder).difference
        assert found.split == parting(own, stale, found.column.removeprefix("state."))
        checked += 1
    assert checked > 5


def parting(own, stale, name):
    """The first commit after the last at which the log had the stale value."""
    state, last = None, 0
    for number, commit in enumerate(own):
        state = fold(SESSION, state, commit)
        if getattr(state, name) == getattr(stale, name):
            last = number
    return own[last + 1].position


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM session_labels WHERE created = {0}",
        "INSERT INTO session_labels VALUES ({0}, 'zzz', 'lab')",
        "UPDATE session_labels SET tenant = 'nobody' WHERE created = {0}",
        "UPDATE session_labels SET label = label || 'z' WHERE created = {0}",
        "DELETE FROM session_refs WHERE created = {0}",
        "INSERT INTO session_refs VALUES ({0}, 'zzz', 'z', 'lab')",
        "UPDATE session_refs SET tenant = 'nobody' WHERE created = {0}",
        "UPDATE session_refs SET value = value || 'z' WHERE created = {0}",
    ],
)
def test_marks_that_differ_are_found(case, statement):
    folder, _ = case
    table = next(marks.table for marks in MARKS if marks.table in statement)
    [(created,)] = views_sql(folder, f"SELECT min(created) FROM {table}")
    views_sql(folder, statement.format(created))
    found = compared(folder).difference
    assert (found.table, found.created) == (table, created)


def test_a_mark_of_no_session_is_found(case):
    folder, commits = case
    free = next(one.position for one in commits if not one.stream.startswith("session/"))
    for created, (table, values) in itertools.product((free, COMMITS + 3), MARKED.items()):
        marks = ", ".join("?" * len(values))
        views_sql(folder, f"INSERT INTO {table} VALUES (?, {marks}, 'lab')", created, *values)
        found = compared(folder).difference
        assert (found.table, found.created, found.found) == (table, created, " ".join(values))
        views_sql(folder, f"DELETE FROM {table} WHERE created = ?", created)


async def behind(folder, count):
    """Let the log go on by `count` commits that the views do not see."""
    log = await SqliteLog.open(folder, clock_us=Clock())
    try:
        await grown(log, 22, count, STREAMS)
    finally:
        await log.close()


def test_views_that_are_behind_are_compared_where_they_stand(case):
    folder, _ = case
    asyncio.run(behind(folder, 50))
    found = compared(folder)
    assert (found.difference, found.checkpoint, found.commits) == (None, COMMITS, COMMITS + 50)


def test_a_row_ahead_of_the_checkpoint_must_be_right_for_its_own_position(case):
    folder, _ = case
    views_sql(folder, "UPDATE checkpoint SET position = 100")
    assert compared(folder).difference is None
    [(last,)] = views_sql(folder, "SELECT max(created) FROM sessions")
    assert last > 100
    views_sql(folder, "UPDATE sessions SET owner = 'x' WHERE created = ?", last)
    assert compared(folder).difference is not None


def test_views_that_are_ahead_of_the_log_are_not_right(case):
    folder, _ = case
    views_sql(folder, "UPDATE checkpoint SET position = ?", COMMITS + 1)
    found = compared(folder).difference
    assert (found.table, found.column) == ("checkpoint", "position")
    assert (found.expected, found.found, found.split) == (COMMITS, COMMITS + 1, START)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE checkpoint SET epoch = 'x'",
        "UPDATE checkpoint SET version = 'x'",
        "DROP TABLE vms",
    ],
)
def test_views_of_another_log_or_version_cannot_be_compared(case, statement):
    folder, _ = case
    views_sql(folder, statement)
    with pytest.raises(ViewsUnusable):
        compared(folder)


def test_no_views_and_no_database_cannot_be_compared(case):
    folder, _ = case
    (folder / "views.db").write_bytes(b"text, not a database\n" * 500)
    with pytest.raises(ViewsUnusable):
        compared(folder)
    (folder / "views.db").unlink()
    with pytest.raises(ViewsUnusable):
        compared(folder)


def test_all_of_a_stream_comes_before_any_of_the_next(made):
    folder, commits = made
    with Archive(folder) as archive:
        rows = [row for page in archive.by_stream(Position(200)) for row in page]
        began = archive.streams(Position(100), Position(200))
    assert len(rows) == 200
    assert [stream for stream, _ in rows] == sorted(stream for stream, _ in rows)
    first: dict[str, int] = {}
    for one in commits:
        first.setdefault(one.stream, one.position)
    assert began == sorted({first[one.stream] for one in commits[100:200]})
