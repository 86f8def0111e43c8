"""Every query of the log finds its rows by an index: no reader gets slower as the log grows."""

import re
import sqlite3
from contextlib import closing

import pytest

from eventstore.merkle import leaf_hash
from eventstore.sqlite.bulk import insert_sql
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from eventstore.sqlite.storage import QUERIES
from tests.support.logs import filled

PRIMARY_KEY = "USING INTEGER PRIMARY KEY"
# What the plan of each query must say; an empty tuple is a statement that has no plan.
STEPS = {
    "head": ("SEARCH commits",),  # max() of the primary key: one step down the right edge
    "epoch": (f"SEARCH log {PRIMARY_KEY}",),
    "start_log": (),
    "nodes": (f"SEARCH commits {PRIMARY_KEY} (rowid=?)",),
    "hashes": (f"SEARCH commits {PRIMARY_KEY} (rowid=?)",),
    "stream_heads": (
        "SEARCH first USING COVERING INDEX commits_by_name (name=?)",
        "SEARCH last USING COVERING INDEX commits_by_stream (stream=?)",
    ),
    "read": (f"SEARCH commits {PRIMARY_KEY} (rowid>?)",),
    "unread": (f"SEARCH commits {PRIMARY_KEY} (rowid>?)",),
    "read_stream": (
        "SEARCH commits USING INDEX commits_by_stream (stream=? AND previous>? AND previous<?)",
        "SEARCH before USING COVERING INDEX commits_by_stream (stream=? AND previous<?)",
        "SEARCH commits USING COVERING INDEX commits_by_name (name=?)",
    ),
    "find": ("SEARCH commits USING INDEX commits_by_id (id=?)",),
    "find_many": ("SEARCH commits USING INDEX commits_by_id (id=?)",),
    "checkpoint": (),
    "insert_commits": (),
    "created_at": (f"SEARCH log {PRIMARY_KEY}",),
    "rows": (f"SEARCH commits {PRIMARY_KEY} (rowid>? AND rowid<?)",),
    "bodies": (f"SEARCH commits {PRIMARY_KEY} (rowid>? AND rowid<?)",),
    "stream_bodies": (
        "SEARCH commits USING INDEX commits_by_stream (stream=?",
        "SEARCH commits USING COVERING INDEX commits_by_name (name=?)",
    ),
    "first_bodies": ("SEARCH commits USING INDEX commits_by_name (name>? AND name<?)",),
    "by_stream": ("SCAN commits USING INDEX commits_by_stream",),
    "streams": (f"SEARCH commits {PRIMARY_KEY} (rowid>? AND rowid<?)",),
    "commits_of": ("SEARCH commits USING INDEX commits_by_stream (stream=?",),
    "row": (f"SEARCH commits {PRIMARY_KEY} (rowid=?)",),
    "position_at": (f"SEARCH commits {PRIMARY_KEY} (rowid=?)",),
}
WALKS_ALL = {"by_stream"}  # it is asked for the whole log, in the order of an index
FULL_SCAN = re.compile(r"SCAN (commits|log|first|last|before)\b")
SORT = "USE TEMP B-TREE"


def statement(name):
    """The query as the log runs it: two are finished in Python."""
    if name == "find_many":
        return f"{QUERIES[name]} (?, ?)"
    if name == "insert_commits":
        return insert_sql(QUERIES[name], 7, 3)
    return QUERIES[name]


@pytest.fixture
async def file(tmp_path):
    log = await SqliteLog.open(tmp_path)
    await filled(log, ["a", "b"] * 20)
    await log.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        file.create_function("leaf_hash", 1, leaf_hash, deterministic=True)
        yield file


def test_every_query_has_a_plan_here():
    assert set(STEPS) == set(QUERIES)


@pytest.mark.parametrize("name", QUERIES)
async def test_the_query_searches_and_never_scans(file, name):
    sql = statement(name)
    plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}", nothing_for(sql))]
    assert [step for step in plan if SORT in step] == []
    assert [step for step in plan if FULL_SCAN.match(step) and name not in WALKS_ALL] == []
    assert [step for step in STEPS[name] if not begins_a_line(step, plan)] == []


def nothing_for(sql):
    """A NULL for each parameter: the plan does not depend on the values."""
    numbered = set(re.findall(r"\?\d+", sql))
    return [None] * (len(numbered) or sql.count("?"))


def begins_a_line(step, plan):
    """True if the plan says more than was asked for, such as the bounds of a search."""
    return any(line.startswith(step) for line in plan)
