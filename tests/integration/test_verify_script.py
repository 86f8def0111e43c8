"""scripts/verify.py: what it says, its exit codes, and that it leaves nothing behind."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from eventstore.heads import HeadFolder
from eventstore.sqlite import verifying
from eventstore.sqlite.log import SqliteLog
from eventstore.sqlite.parts import Task
from eventstore.sqlite.verify import UNHEARD
from eventstore.sqlite.verifying import Ask, ranges, verify
from eventstore.verification import PAGE
from scripts.audit.verify import main
from tests.support.logs import wish
from tests.support.tampering import COMMITS

ROOT = Path(__file__).resolve().parents[2]


def listing(folder):
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def run(*arguments):
    return main(list(map(str, arguments)))


def test_a_log_that_holds(copy, capsys):
    before = listing(copy.folder)
    command = [sys.executable, ROOT / "scripts/verify.py", "--data", copy.folder, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["holds"], found["size"], found["vouched"]) == (True, COMMITS, 270)
    assert found["key_from"] == "heads"
    assert run("--data", copy.folder) == 0
    assert "one kept elsewhere" in capsys.readouterr().out
    assert listing(copy.folder) == before


def test_the_exit_code_is_the_verdict_also_when_nobody_reads_on(copy):
    script = f"{sys.executable} {ROOT / 'scripts/verify.py'} --data {copy.folder}"
    # The reader has gone before the first word is written.
    line = f"{{ sleep 0.2; {script}; echo code $? >&2; }} | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=200)
    assert done.stderr == "code 0\n"


def test_the_key_is_the_one_that_is_given_or_else_what_is_there(copy, capsys, tmp_path):
    vkey = HeadFolder(copy.heads).vkey()
    kept = tmp_path / "kept.vkey"
    kept.write_text(f"{vkey}\n")
    for key in (vkey, kept):
        assert run("--data", copy.folder, "--key", key) == 0
        assert "as given" in capsys.readouterr().out
    (copy.heads / "log.vkey").unlink()
    assert run("--data", copy.folder) == 2
    assert "no key" in capsys.readouterr().err
    shutil.rmtree(copy.heads)
    assert run("--data", copy.folder) == 0
    assert "no signed head was checked" in capsys.readouterr().out


def test_what_does_not_hold_is_named_and_the_code_is_1(copy, capsys, tmp_path):
    kept = tmp_path / "kept.checkpoint"
    shutil.copy(copy.heads / f"{270:020d}.checkpoint", kept)
    key = HeadFolder(copy.heads).vkey()
    with copy.edited() as connection:
        connection.execute("DELETE FROM commits WHERE position > 123")
    shutil.rmtree(copy.heads)
    # Without a head that somebody kept, a tail that was cut off leaves no trace.
    assert run("--data", copy.folder) == 0
    assert run("--data", copy.folder, "--from-head", kept, "--key", key) == 1
    assert "after commit 123 up to 270" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda data: None, "There is no log here"),
        (lambda data: data.mkdir(), "There is no log here"),
        (lambda data: data.write_text("no database, but long enough" * 99), "not a log"),
        (lambda data: sqlite3.connect(data).execute("CREATE TABLE x (y)"), "not a sessiond log"),
    ],
)
def test_what_is_no_log_is_one_line_and_the_code_2(tmp_path, capsys, make, words):
    data = tmp_path / "data"
    make(data)
    before = listing(tmp_path)
    assert run("--data", data) == 2
    said = capsys.readouterr()
    assert (words in said.err, said.err.count("\n"), said.out) == (True, 1, "")
    assert listing(tmp_path) == before


def test_another_version_a_missing_head_a_bad_key_and_no_heads_folder_are_code_2(copy, capsys):
    for options, words in (
        (("--from-head", copy.folder / "none"), "is no file"),
        (("--heads", copy.folder / "none"), "no folder of heads"),
        (("--key", "nonsense"), "--key:"),
    ):
        assert run("--data", copy.folder, *options) == 2
        assert words in capsys.readouterr().err
    with closing(sqlite3.connect(copy.file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert run("--data", copy.folder, "--json") == 2
    said = capsys.readouterr()
    assert "has format 99" in json.loads(said.out)["error"]


async def test_a_log_that_is_being_written_is_verified_as_it_was_at_the_start(tmp_path):
    log = await SqliteLog.open(tmp_path)
    for number in range(20):
        await log.append(wish("a", data=[number]))
    before = set(listing(tmp_path))
    verified = await asyncio.to_thread(verify, Ask(path=tmp_path), lambda done, size: None)
    assert (verified.holds, verified.size) == (True, 20)
    assert set(listing(tmp_path)) == before
    await log.close()


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1, 10 * PAGE + 3])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_ranges_cover_the_log_once_and_begin_with_a_page(size, parts):
    found = ranges(size, parts)
    covered = [at for after, until in found for at in range(after, until)]
    assert covered == list(range(size))
    assert all(after % PAGE == 0 for after, _ in found)


def test_processes_find_what_one_alone_finds(copy, monkeypatch):
    monkeypatch.setattr(verifying, "ALONE_MAX", 10)
    ask = Ask(path=copy.folder, processes=2)
    alone = verify(Ask(path=copy.folder), lambda done, size: None)
    told = []
    beside = verify(ask, lambda done, size: told.append(done))
    assert (beside.holds, beside.root) == (True, alone.root)
    assert max(told) <= COMMITS
    for position in (256, 260):
        with copy.edited() as connection:
            change = "UPDATE commits SET previous = previous + 1 WHERE position = ?"
            connection.execute(change, (position,))
        alone = verify(Ask(path=copy.folder), lambda done, size: None)
        beside = verify(ask, lambda done, size: None)
        assert beside.findings == alone.findings
        assert beside.findings[0].position == position
        with copy.edited() as connection:
            connection.execute(change.replace("+", "-"), (position,))


def test_a_stream_that_is_broken_where_two_processes_meet_is_found(copy, monkeypatch):
    monkeypatch.setattr(verifying, "ALONE_MAX", 10)
    bodies = [row[5] for row in copy.rows()]
    at = next(n for n in range(PAGE, COMMITS) if json.loads(bodies[n])["previous"] > 1)
    said = msgspec.json.decode(bodies[at])
    earlier = json.loads(bodies[said["previous"] - 1])["previous"]
    bodies[at] = bodies[at].replace(b'"previous":%d' % said["previous"], b'"previous":%d' % earlier)
    copy.rewrite_loosely(bodies)
    for processes in (0, 2):
        ask = Ask(path=copy.folder, processes=processes)
        first = verify(ask, lambda done, size: None).findings[0]
        assert (first.position, "it follows commit" in first.what) == (at + 1, True)


def test_a_process_whose_words_nobody_reads_ends(copy):
    task = msgspec.json.encode(Task(work="all", path=str(copy.folder))) + b"\n"
    command = [sys.executable, "-m", "eventstore.sqlite.verify"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(task)
        process.stdin.close()
        assert process.wait(60) == UNHEARD
        assert process.stderr.read() == b""
