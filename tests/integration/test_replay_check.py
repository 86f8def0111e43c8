"""replay.py --check: lists that hold, forged ones, and what cannot be compared."""

import asyncio
import fcntl
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest

from projections.views.store import FILE_NAME as VIEWS
from tests.support.scripts import files_in, run_script
from tests.support.stories import STORY, A, B, objects, run, told, write


@pytest.fixture
def folder(tmp_path):
    asyncio.run(write(tmp_path / "data", STORY))
    return tmp_path / "data"


def test_lists_that_hold(folder, tmp_path, capsys):
    assert told(capsys, "--data", folder, "--check") == [
        "holds: 7 events in 6 commits fold to the 3 rows of the lists as of position 6"
    ]
    [answer] = objects(capsys, "--data", folder, "--check")
    assert answer == {
        "holds": True,
        "commits": 6,
        "events": 7,
        "rows": 3,
        "checkpoint": 6,
        "difference": None,
    }
    before = files_in(folder)
    assert (
        run_script("replay", "--data", shutil.copytree(folder, tmp_path / "copy"), "--check").code
        == 0
    )
    assert files_in(folder) == before == files_in(tmp_path / "copy")


def forge(folder, sql, *values):
    with closing(sqlite3.connect(folder / VIEWS)) as views, views:
        assert views.execute(sql, values).rowcount == 1


def test_a_forged_row_is_found_with_its_field_and_the_event(folder, capsys):
    change = "UPDATE sessions SET state = json_set(state, '$.status', 'running') WHERE id = ?"
    forge(folder, change, A)
    code, out, err = run(capsys, "--data", folder, "--check")
    assert (code, err) == (1, "")
    assert out.splitlines()[:4] == [
        (
            f"does not hold as of position 6: table sessions, the row of {A}, field state.status, "
            "created at 1"
        ),
        '  the log says    "failed"',
        '  the lists say   "running"',
        "  they part at:",
    ]
    assert "went from running to failed" in out.splitlines()[4]
    assert out.replace("\n", "").isprintable()
    code, out, _ = run(capsys, "--data", folder, "--check", "--json")
    answer = msgspec.json.decode(out)
    assert (code, answer["holds"], answer["difference"]["split"]) == (1, False, 6)
    assert (answer["difference"]["id"], answer["events"][0]["position"]) == (A, 6)


def test_a_row_that_is_missing_or_too_many_is_found(folder, tmp_path, capsys):
    copy = shutil.copytree(folder, tmp_path / "copy")
    forge(folder, "DELETE FROM sessions WHERE id = ?", B)
    code, out, _ = run(capsys, "--data", folder, "--check")
    assert code == 1
    assert f"the row of {B}" in out
    assert "the lists say   nothing" in out
    insert = "INSERT INTO keys (created, id, tenant, state) VALUES (6, ?, 'lab', '{}')"
    forge(copy, insert, "k\x1b[31m")
    code, out, _ = run(capsys, "--data", copy, "--check")
    assert code == 1
    assert "the row of k\\x1b[31m" in out
    assert "no event of the log explains it" in out


def test_lists_that_cannot_be_compared(folder, capsys):
    check = ("--data", folder, "--check")
    version = "UPDATE checkpoint SET version = 'of old' WHERE id = 1"
    with closing(sqlite3.connect(folder / VIEWS)) as views, views:
        views.execute("CREATE TABLE sessions_next (created INTEGER PRIMARY KEY)")
    assert run(capsys, *check)[0] == 0  # a rebuild that was broken off left it, nobody is at work
    with (folder / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, out, err = run(capsys, *check)
    assert (code, out) == (2, "")
    assert err.endswith("a rebuild of the lists is running: check them when it is done\n")
    forge(folder, version)
    code, out, err = run(capsys, *check)
    assert (code, out, "of old" in err, err.count("\n")) == (2, "", True, 1)
    (folder / VIEWS).write_bytes(b"x" * 5000)
    code, out, err = run(capsys, *check)
    assert (code, out, err.count("\n")) == (2, "", 1)
    (folder / VIEWS).unlink()
    code, out, err = run(capsys, *check)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "there are none in" in err
