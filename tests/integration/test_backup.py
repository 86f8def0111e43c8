"""backup.py: a copy under writes, a log that does not hold, and a restore by the service itself."""

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import msgspec
import pytest

from eventstore.heads import HeadFolder
from eventstore.sqlite.archive import Archive
from eventstore.sqlite.backup import copy_database
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from projections.events import CODEC
from projections.events.session import MessageAdded, SessionCreated
from projections.events.vm import VmRequested
from scripts.audit import backup
from tests.support.load import Load, Promises
from tests.support.logs import wish
from tests.support.process import ROOT, eventually, serving
from tests.support.replays import bodies_in, tables_in
from tests.support.scripts import files_in, run_script
from tests.support.trees import root_of_bodies

SESSIONS = "/api/v1/sessions"


CREATED = SessionCreated(
    kind="agent", dialect="native", owner="key:a", status="running", max_duration_s=60
)
SAID = MessageAdded(id="m", role="user", content="hello")
REQUESTED = VmRequested(session="a", vcpu_count=1, memory_mb=256, lifetime_s=60)


@pytest.fixture
def folder(tmp_path):
    async def write():
        log = await SqliteLog.open(tmp_path / "data")
        facts = [("session/a", CREATED), ("vm/b", REQUESTED), *[("session/a", SAID)] * 17]
        for stream, fact in facts:
            made = wish(stream, actor="label")
            await log.append(msgspec.structs.replace(made, events=(CODEC.encode(fact),)))
        await log.append(wish("else/c"))
        await log.close()

    asyncio.run(write())
    return tmp_path / "data"


@pytest.mark.slow(reason="runs services under load")
async def test_beside_a_service_under_load_and_restored(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    folder, copy, vault = tmp_path / "data", tmp_path / "copy.db", tmp_path / "keys.db"
    load = Load(Promises(), random.Random(seed), "r")
    async with serving(folder) as service, service.client() as client:
        working = asyncio.create_task(load.run(client, 4))
        await eventually(lambda: load.answers > 20, 60, "some answers")
        options = ("--data", folder, "--to", copy, "--vault", vault, "--json")
        done = await asyncio.to_thread(run_script, "backup", *options)
        assert (done.code, done.err) == (0, "")
        load.stop()
        await working
        await service.stop()
    bodies = bodies_in(folder)
    said = done.answer
    assert 0 < said["size"] < len(bodies)
    assert said["root"] == root_of_bodies(bodies[: said["size"]]).hex()
    assert files_in(tmp_path) >= {"copy.db", "keys.db"}
    assert not [name for name in files_in(tmp_path) if ".part" in name or ".restored" in name]
    assert (copy.stat().st_mode & 0o777, vault.stat().st_mode & 0o777) == (0o600, 0o600)

    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(copy, restored / FILE_NAME)
    shutil.copy(vault, restored / "vault.db")
    async with serving(restored) as service, service.client() as client:
        async with client.get(SESSIONS) as answer:
            assert answer.status == 200
        await service.stop()
    again = bodies_in(restored)
    assert again[: said["size"]] == bodies[: said["size"]]
    assert len(tables_in(restored)["sessions"]) == said["streams"]["session"]
    # Stopped, and with the signed head of its end.
    done = run_script("backup", "--data", folder, "--to", tmp_path / "second.db", "--json")
    assert done.code == 0
    newest = HeadFolder(folder / "heads").files()[-1]
    assert done.answer["head"] == done.answer["size"] == int(newest.stem) == len(bodies)


@pytest.mark.slow(reason="runs services under load")
async def test_it_ends_while_every_moment_is_written_in(tmp_path):
    command = [sys.executable, "-m", "tests.support.log_writer", str(tmp_path / "data"), "0"]
    with (tmp_path / "answers").open("wb") as answers:
        writer = subprocess.Popen(command, cwd=ROOT, stdout=answers)
        try:
            full = tmp_path / "answers"
            await eventually(lambda: full.stat().st_size > 20_000, 200, "a log of some size")
            options = ("--data", tmp_path / "data", "--to", tmp_path / "copy.db", "--json")
            done = await asyncio.to_thread(run_script, "backup", *options)
            assert writer.poll() is None
        finally:
            writer.kill()
            writer.wait()
    assert (done.code, done.err) == (0, "")
    with Archive(tmp_path / "copy.db") as copy, Archive(tmp_path / "data") as log:
        assert 0 < copy.size < log.size
        assert copy.head().root == log.root(copy.size)


def test_a_copy_is_of_one_moment_and_does_not_begin_anew_after_a_write(tmp_path, monkeypatch):
    monkeypatch.setattr("eventstore.sqlite.backup.PAGES_PER_STEP", 1)
    done: list[int] = []
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as writer:
        writer.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x);")
        writer.executemany("INSERT INTO t VALUES (zeroblob(4000))", [()] * 50)

        def copied(pages, _):
            assert not done or pages > done[-1], "it began anew"
            done.append(pages)
            writer.execute("INSERT INTO t VALUES (1)")

        copy_database(tmp_path / "a.db", tmp_path / "b.db", copied)
    assert len(done) > 50
    with closing(sqlite3.connect(tmp_path / "b.db")) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (50,)
    assert files_in(tmp_path) == {"a.db", "b.db"}


def test_a_stopped_folder_is_left_as_it_was(folder, capsys):
    before = {name: (folder / name).read_bytes() for name in files_in(folder)}
    copy = folder.parent / "copy.db"
    assert backup.main(["--data", str(folder), "--to", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "20 commits" in out
    assert "1 else, 1 session, 1 vm" in out
    assert "no signed head" in out
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == before
    assert files_in(folder.parent) == {"data", "copy.db", *(f"data/{name}" for name in before)}
    assert backup.main(["--data", str(folder), "--to", str(copy)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err


def write(folder, *statements):
    """Write into the log behind its back, the guards of the schema as they were afterwards."""
    guards = []
    guard = "SELECT sql FROM sqlite_schema WHERE name = ?"
    with closing(sqlite3.connect(folder / FILE_NAME)) as log, log:
        for trigger in ("commits_are_not_updated", "commits_are_not_deleted"):
            guards.append(log.execute(guard, (trigger,)).fetchone()[0])
            log.execute(f"DROP TRIGGER {trigger}")
        for statement in (*statements, *guards):
            log.execute(statement)


def changed_body(folder):
    sql = "UPDATE commits SET body = CAST(replace(CAST(body AS TEXT), 'lab', 'lap') AS BLOB)"
    write(folder, f"{sql} WHERE position = 7")


def changed_hash(folder):
    write(folder, "UPDATE commits SET node = zeroblob(32) WHERE position = 8")


def missing_commit(folder):
    write(folder, "DELETE FROM commits WHERE position = 9")


def broken_index(folder):
    write(
        folder,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, '(id)', '(position)')"
        " WHERE name = 'commits_by_id'",
    )


def no_fact(folder):
    """A commit whose hashes are right, but that today's code cannot fold."""

    async def append():
        log = await SqliteLog.open(folder)
        await log.append(wish("session/new"))
        await log.close()

    asyncio.run(append())


def forged_head(folder):
    heads = folder / "heads"
    heads.mkdir()
    (heads / "log.vkey").write_text("sessiond/x+00000000+AAAA\n")
    (heads / f"{20:020d}.checkpoint").write_text("no note\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (changed_body, "commit 7: its body is not the one that was hashed"),
        (changed_hash, "commit 8: the hash stored with it is not its own"),
        (missing_commit, "commit 9: it is missing"),
        (broken_index, "commits_by_id"),
        (no_fact, "commit 21 cannot be replayed: The event type or version is not known"),
        (forged_head, "The signed head cannot be trusted"),
    ],
)
def test_a_log_that_does_not_hold_has_no_backup(folder, capsys, spoil, words):
    spoil(folder)
    before = files_in(folder.parent)
    copy = folder.parent / "copy.db"
    assert backup.main(["--data", str(folder), "--to", str(copy)]) == 1
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert words in line
    assert "no copy was kept" in line
    assert out == ""
    assert files_in(folder.parent) == before


def test_a_folder_without_a_log_and_a_vault_that_is_not_there(folder, capsys):
    copy = folder.parent / "copy.db"
    options = ["--data", str(folder), "--to", str(copy), "--vault", str(folder.parent / "keys")]
    assert backup.main(options) == 2
    assert "there is no vault.db in" in capsys.readouterr().err
    assert backup.main(["--data", str(folder.parent), "--to", str(copy)]) == 2
    assert "There is no log here" in capsys.readouterr().err
    assert files_in(folder.parent) == {"data", f"data/{FILE_NAME}", "data/lock"}
