"""export.py on real data folders: what it writes, leaves out and refuses."""

import asyncio
import csv
import io
import shutil
import sqlite3
import sys
from contextlib import closing

import msgspec
import pyarrow.parquet
import pytest

from eventstore.sqlite.log import FILE_NAME
from scripts.audit import export
from tests.support.exports import COMMITS, MINUTE_US, START_US, exported, write_log
from tests.support.scripts import files_in, run_script

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def folder(tmp_path):
    asyncio.run(write_log(tmp_path / "data"))
    return tmp_path / "data"


def positions(path):
    return [msgspec.json.decode(line)["position"] for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], [1, 2, 3, 3, 4, 5]),
        (["--session", "a"], [1, 2, 4]),
        (["--session", "b"], [3, 3]),
        (["--tenant", "other"], [3, 3]),
        (["--actor", "key:ann"], [1, 5]),
        (["--kind", "vm"], [1, 2, 4]),
        (["--kind", "vm", "--actor", "runtime"], [2]),
        (["--kind", "browser"], []),
        (["--from", "2"], [2, 3, 3, 4, 5]),
        (["--from", "0", "--until", "2"], [1, 2]),
        (["--from", "3", "--until", "3"], [3, 3]),
        (["--until", "2026-01-01T00:02:30Z"], [1, 2, 3, 3]),
        (["--from", "2026-01-01T00:02:00Z"], [3, 3, 4, 5]),
        (["--from", "2026-01-01T00:02:00.000001Z"], [4, 5]),
        (["--from", "2025-01-01", "--until", "2026-01-01T02:02+02:00"], [1, 2, 3, 3]),
    ],
)
def test_filters(folder, options, found):
    assert positions(exported(folder, *options)) == found


@pytest.fixture
def wide_fields():
    before = csv.field_size_limit(2_000_000)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("wide_fields")
def test_csv_is_read_by_a_csv_reader_and_holds_no_formula(folder):
    text = exported(folder, to="a.csv").read_bytes().decode()
    assert text.count("\r\n") >= 7
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [int(row["position"]) for row in rows] == [1, 2, 3, 3, 4, 5]
    assert [row["data"] for row in rows] == [data for commit in COMMITS for data in commit[4]]
    assert rows[2]["actor"] == "'=1+1"
    assert rows[0]["correlation_id"] == "'@id"
    assert rows[0]["tags"] == "kind=vm,label=x%2Cy"
    for row in rows:
        assert not any(cell[:1] in tuple("=+-@\t\r") for cell in row.values() if cell)


def test_parquet_has_typed_columns_and_every_text_as_it_is(folder):
    table = pyarrow.parquet.read_table(exported(folder, to="a.parquet"))
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("position").type) == "int64"
    rows = table.to_pylist()
    assert [row["position"] for row in rows] == [1, 2, 3, 3, 4, 5]
    assert [row["data"] for row in rows] == [data for commit in COMMITS for data in commit[4]]
    assert rows[2]["actor"] == "=1+1"
    assert rows[0]["tags"] == ["kind=vm", "label=x,y"]
    assert [int(row["time"].timestamp() * 1e6) for row in rows][:2] == [
        START_US,
        START_US + MINUTE_US,
    ]
    assert rows[0]["causation"] is None


def test_parquet_writes_row_groups_of_limited_size(folder, monkeypatch):
    monkeypatch.setattr("scripts.audit.parquet.GROUP_ROWS_MAX", 2)
    file = pyarrow.parquet.ParquetFile(exported(folder, to="a.parquet"))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [2, 2, 2]


def test_without_pyarrow_parquet_says_how_to_get_it_and_writes_nothing(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = folder.parent / "a.parquet"
    assert export.main(["--data", str(folder), "--to", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "-m pip install -c" in line
    assert files_in(folder.parent) == {"data", f"data/{FILE_NAME}", "data/lock"}


def test_stdout_is_a_file_too(folder):
    done = run_script("export", "--data", folder, "--to", "-")
    assert done.code == 0
    assert "6 events of 5 commits" in done.err
    assert done.out.encode() == exported(folder).read_bytes()


def test_a_reader_that_has_seen_enough_is_no_failure(folder):
    script = ["bash", "-o", "pipefail", "-c", '"$@" | head -c 10', "bash"]
    done = run_script("export", "--data", folder, "--to", "-", wrapper=script)
    assert (done.code, done.out) == (0, '{"specvers')
    assert "roken" not in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--until", "6"], "position 6 is beyond the end of the log, 5"),
        (["--from", "6"], "position 6 is beyond the end of the log, 5"),
        (["--until", "2025-12-31T23:59:59Z"], "is before the first event (2026-01-01T00:00:00"),
        (["--from", "2027-01-01"], "--from 2027-01-01 is after --until 5"),
        (["--from", "4", "--until", "3"], "--from 4 is after --until 3"),
        (["--until", "yesterday"], "yesterday is neither a position nor a time"),
        (["--session", "c"], "there is no session c in this log"),
    ],
)
def test_what_the_log_cannot_have_is_one_line_and_nothing_is_written(
    folder, capsys, options, words
):
    path = folder.parent / "a.jsonl"
    assert export.main(["--data", str(folder), "--to", str(path), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert words in line
    assert not path.exists()


def another_version(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as log:
        log.execute("PRAGMA user_version = 99")


def no_database(folder):
    (folder / FILE_NAME).write_bytes(b"not a database, whatever its name says" * 100)


def no_log(folder):
    (folder / FILE_NAME).unlink()


def another_database(folder):
    (folder / FILE_NAME).unlink()
    with closing(sqlite3.connect(folder / FILE_NAME)) as log:
        log.execute("CREATE TABLE commits (position INTEGER)")


def unreadable_commit(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as log, log:
        log.execute("DROP TRIGGER commits_are_not_updated")
        log.execute("UPDATE commits SET body = CAST('{' AS BLOB) WHERE position = 3")


def time_of_no_year(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as log, log:
        log.execute("DROP TRIGGER commits_are_not_updated")
        text = "replace(CAST(body AS TEXT), '\"at\":', '\"at\":999')"
        log.execute(f"UPDATE commits SET body = CAST({text} AS BLOB) WHERE position = 3")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (another_version, "has format 99, this version reads 1"),
        (no_database, "not a database"),
        (no_log, "There is no log here"),
        (another_database, "is not a sessiond log"),
        (unreadable_commit, "a commit at positions 1 to 5 cannot be read"),
        (time_of_no_year, "a commit from position 1 on: its time has no year of four digits"),
        (shutil.rmtree, "There is no log here"),
    ],
)
def test_a_folder_without_a_good_log_is_one_line_and_nothing_is_written(
    folder, capsys, spoil, words
):
    spoil(folder)
    path = folder.parent / "a.jsonl"
    assert export.main(["--data", str(folder), "--to", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert words in line
    assert words in msgspec.json.decode(out)["error"]
    assert not list(folder.parent.glob("*a.jsonl*"))


def test_nothing_is_overwritten_and_no_device_is_replaced(folder, capsys):
    kept = folder.parent / "kept"
    kept.write_text("kept")
    for path in (kept, folder, "/dev/null"):
        assert export.main(["--data", str(folder), "--to", str(path)]) == 2
        assert "exists already" in capsys.readouterr().err
    assert kept.read_text() == "kept"
    missing = folder.parent / "missing" / "a.jsonl"
    assert export.main(["--data", str(folder), "--to", str(missing)]) == 2
    assert f"{missing}: No such file or directory" in capsys.readouterr().err
