"""import_.py on real exports: an equal log comes of a whole one, and nothing of any other."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.heads import HeadFolder
from eventstore.sqlite.archive import Archive
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from projections.events import CODEC, VOCABULARY
from scripts.audit import import_
from tests.support.exports import exported, write_log
from tests.support.facts import structs_of
from tests.support.load import Load, Promises
from tests.support.logs import wish
from tests.support.process import eventually, serving
from tests.support.replays import bodies_in, tables_in
from tests.support.scripts import command, files_in, run_script

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def folder(tmp_path):
    asyncio.run(write_log(tmp_path / "data"))
    return tmp_path / "data"


def log_of(folder):
    """All that a log holds."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as log:
        commits = log.execute("SELECT * FROM commits ORDER BY position").fetchall()
        schema = log.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()
        return commits, log.execute("SELECT * FROM log").fetchall(), schema


def test_an_export_of_everything_becomes_an_equal_log(folder):
    before = files_in(folder)
    path = folder.parent / "export.jsonl"
    done = run_script("export", "--data", folder, "--to", path, "--json")
    assert (done.code, done.err) == (0, "")
    with Archive(folder) as archive:
        root = archive.head().root.hex()
    said = done.answer
    assert (said["commits"], said["events"], said["size"], said["root"]) == (5, 6, 5, root)
    assert said["complete"]
    assert len(path.read_bytes().splitlines()) == 6
    assert files_in(folder) == before

    new = folder.parent / "new"
    done = run_script("import_", "--from", path, "--to", new, "--expect-root", root, "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.answer["commits"], done.answer["root"]) == (5, root)
    assert "vault.db" in done.answer["note"]
    assert log_of(new) == log_of(folder)
    assert files_in(new) == {FILE_NAME, "lock"}


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*map(structs_of, VOCABULARY)))
def test_every_kind_of_fact_comes_back(tmp_path_factory, facts):
    folder = tmp_path_factory.mktemp("facts")

    async def write():
        log = await SqliteLog.open(folder / "data")
        for fact in facts:
            one = msgspec.structs.replace(wish("session/a"), events=(CODEC.encode(fact),))
            await log.append(one)
        await log.close()

    asyncio.run(write())
    path = exported(folder / "data")
    new = folder / "new"
    assert import_.main(["--from", str(path), "--to", str(new)]) == 0
    assert log_of(new) == log_of(folder / "data")


def test_an_export_is_piped_into_an_import(folder):
    new = folder.parent / "new"
    told = command("import_", "--from", "-", "--to", new)
    with exported(folder).open("rb") as source:
        done = subprocess.run(told, stdin=source, capture_output=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, b"")
    assert log_of(new) == log_of(folder)


def test_a_beginning_of_the_log_is_complete_too(folder):
    path = exported(folder, "--until", "3")
    new = folder.parent / "new"
    assert import_.main(["--from", str(path), "--to", str(new)]) == 0
    with Archive(folder) as old, Archive(new) as made:
        assert made.size == 3
        assert made.head().root == old.root(3)


def imported(source, to, *options):
    return import_.main(["--from", str(source), "--to", str(to), *options])


def test_a_folder_with_a_log_or_the_rest_of_one_is_left_alone(folder, capsys):
    path = exported(folder)
    before = log_of(folder)
    assert imported(path, folder) == 2
    assert "has a log already" in capsys.readouterr().err
    assert log_of(folder) == before
    for name in ("log.db-wal", "views.db"):
        rest = folder.parent / name.replace(".", "-")
        rest.mkdir()
        (rest / name).touch()
        assert imported(path, rest) == 2
        assert "what is left of one" in capsys.readouterr().err
        assert files_in(rest) == {name}


def test_a_vault_that_was_put_there_before_stays(folder):
    new = folder.parent / "new"
    new.mkdir()
    (new / "vault.db").write_bytes(b"keys")
    assert imported(exported(folder), new) == 0
    assert (new / "vault.db").read_bytes() == b"keys"


def filtered(path):
    return exported(path.parent / "data", "--kind", "vm").read_bytes()


def changed(path):
    return path.read_bytes().replace(b"key:bob", b"key:rob")


def cut_off(path):
    return path.read_bytes()[:-400]


def cut_at_a_line(path):
    return b"".join(path.read_bytes().splitlines(keepends=True)[:-1])


def forked(path):
    """Two commits that both say to be the first of their stream; the leaf says so too."""
    lines = path.read_bytes().splitlines(keepends=True)
    return b"".join([*lines[:5], lines[5].replace(b'"key/k"', b'"session/a"')])


def another_root(path):
    data = path.read_bytes()
    at = data.index(b'"logroot":"') + len(b'"logroot":"')
    return data[:at] + b"0" * 64 + data[at + 64 :]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (filtered, "line 1: it is not the first line of a complete export"),
        (changed, "line 5: its attributes and data do not give its leaf"),
        (cut_off, "line 6: it is no record of an export"),
        (cut_at_a_line, "line 5: the export ends at position 4 without its end"),
        (forked, "line 6: its attributes and data do not give its leaf"),
        (another_root, "but its last line says 0000"),
        (lambda _: b"", "line 1: the export ends at position 0 without its end"),
        (lambda _: os.urandom(1000), "line 1: it is no record of an export"),
    ],
)
def test_an_export_that_is_not_whole_is_refused_and_nothing_is_made(folder, capsys, spoil, words):
    path = exported(folder)
    spoilt = folder.parent / "spoilt"
    spoilt.write_bytes(spoil(path))
    new = folder.parent / "new"
    capsys.readouterr()
    assert imported(spoilt, new) == 1
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert words in line
    assert out == ""
    assert not new.exists()


async def test_a_signed_head_and_a_root_are_checked(tmp_path, capsys):
    folder = tmp_path / "data"
    async with serving(folder) as service, service.client() as client:
        for _ in range(3):
            async with client.post(SESSIONS, json={"kind": "agent"}) as answer:
                assert answer.status == 201
        await service.stop()
    heads = HeadFolder(folder / "heads")
    head = heads.files()[-1]
    path = exported(folder)
    assert imported(path, tmp_path / "one", "--head", str(head)) == 0
    assert "the signed head at position 3 said" in capsys.readouterr().out

    # Another log, of the same size.
    async with serving(tmp_path / "other") as service, service.client() as client:
        for _ in range(3):
            async with client.post(SESSIONS, json={"kind": "agent"}) as answer:
                assert answer.status == 201
        await service.stop()
    other = HeadFolder(tmp_path / "other" / "heads").files()[-1]
    assert imported(path, tmp_path / "two", "--head", str(other)) == 1
    assert "the head is of sessiond/" in capsys.readouterr().err
    assert imported(path, tmp_path / "two", "--expect-root", "00") == 1
    assert "and 00 was expected" in capsys.readouterr().err
    short = exported(folder, "--until", "2", to="short.jsonl")
    assert imported(short, tmp_path / "two", "--head", str(head)) == 1
    assert "it ends at 2, before the head's position 3" in capsys.readouterr().err
    key = tmp_path / "other" / "heads" / "log.vkey"
    assert imported(path, tmp_path / "two", "--head", str(head), "--key", str(key)) == 2
    assert not (tmp_path / "two").exists()


@pytest.mark.slow(reason="runs services under load")
async def test_beside_a_service_under_load_and_started_again_from_the_export(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    folder, new = tmp_path / "data", tmp_path / "new"
    load = Load(Promises(), random.Random(seed), "r")
    async with serving(folder) as service, service.client() as client:
        working = asyncio.create_task(load.run(client, 4))
        await eventually(lambda: load.answers > 20, 60, "some answers")
        beside = tmp_path / "beside.jsonl"
        done = await asyncio.to_thread(
            run_script, "export", "--data", folder, "--to", beside, "--json"
        )
        assert (done.code, done.err) == (0, "")
        load.stop()
        await working
        async with client.get(f"{SESSIONS}?limit=200") as answer:
            listed = await answer.json()
        await service.stop()
    # What was exported beside the writer is a beginning of what the log became.
    assert imported(beside, tmp_path / "begun") == 0
    size = done.answer["size"]
    assert 0 < size < len(bodies_in(folder))
    assert bodies_in(tmp_path / "begun") == bodies_in(folder)[:size]

    assert imported(exported(folder), new) == 0
    shutil.copy(folder / "vault.db", new)
    async with serving(new) as service, service.client() as client:
        async with client.get(f"{SESSIONS}?limit=200") as answer:
            again = await answer.json()
        await service.stop()
    assert again == listed
    assert bodies_in(new)[: len(bodies_in(folder))] == bodies_in(folder)
    assert tables_in(new).keys() == tables_in(folder).keys()
