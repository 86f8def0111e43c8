"""What a start looks up about machines it finds by an index of those alone, however many ended."""

import sqlite3
from contextlib import closing

import pytest

from projections.views.store import FILE_NAME, QUERIES, Views

INDEXES = {
    "vms_there": "vms_there_0",
    "sessions_with_machines": "sessions_with_machines_0",
    "snapshots_there": "vm_snapshots_there_0",
}


@pytest.mark.parametrize("name", INDEXES)
async def test_the_query_looks_at_what_is_there_alone(tmp_path, name):
    views = await Views.open(tmp_path, "epoch")
    await views.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {QUERIES[name]}", (0, 1))]
    (step,) = plan
    assert step.startswith("SEARCH")
    assert f"USING INDEX {INDEXES[name]} (created>?)" in step
