"""Heads outlive what kills the service, and a log that does not fit them is not signed again."""

import asyncio
import contextlib
import random
import shutil
import sqlite3

import pytest

from eventstore.heads import KEY_FILE, HeadFolder
from eventstore.sqlite.archive import Archive
from eventstore.sqlite.log import FILE_NAME
from sessions import cli
from tests.support.load import Load, Promises
from tests.support.process import eventually, refused, serving
from tests.support.replays import bodies_in
from tests.support.small_disk import small_disk
from tests.support.tampering import cut_off
from tests.support.trees import root_of_bodies

KILLS = 6
WAIT_S_MAX = 120
SESSIONS = "/api/v1/sessions"
OFTEN = ("--heads-interval-s", "0.05", "--heads-every", "7")

pytestmark = pytest.mark.slow(reason="kills the service again and again, and fills a disk")


async def create(client, count=1):
    """Some sessions, one commit each."""
    for _ in range(count):
        async with client.post(SESSIONS, json={"kind": "vm"}) as answer:
            assert answer.status == 201, await answer.text()


def heads_of(folder):
    """What the heads of a data folder say, after checking their signatures."""
    heads = HeadFolder(folder / "heads")
    verifier = verifier_of(heads)
    return [verifier.open(note) for _, note in heads.notes()]


def verifier_of(heads):
    """The key beside the heads."""
    verifier = heads.verifier()
    assert verifier is not None
    return verifier


def newest_size(heads):
    """Of which size the newest head is; -1 if there is none yet."""
    files = heads.files()
    return int(files[-1].stem) if files else -1


async def newer_head(heads, size):
    """Return when there is a head of more than `size` commits."""
    await eventually(lambda: newest_size(heads) > size, WAIT_S_MAX, "a head")


def check_heads(folder):
    """Every head must be of a log that today's extends; how many there are."""
    bodies = bodies_in(folder)
    found = heads_of(folder)
    for head in found:
        assert head.size <= len(bodies)
        assert head.root == root_of_bodies(bodies[: head.size])
    return len(found)


async def test_kill_9_between_heads_leaves_only_heads_of_this_log(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    counts = []
    heads = HeadFolder(tmp_path / "heads")
    for number in range(KILLS):
        async with serving(tmp_path, *OFTEN) as service:
            before = newest_size(heads)
            load = Load(Promises(), chance, f"h{number}")
            async with service.client() as client:
                working = asyncio.create_task(load.run(client))
                await newer_head(heads, before)
                await asyncio.sleep(chance.random() / 2)
                service.kill()
                await working
        counts.append(check_heads(tmp_path))
    assert counts == sorted(set(counts)), "a run wrote no head"
    async with serving(tmp_path) as service:
        await service.stop()
    check_heads(tmp_path)
    assert heads_of(tmp_path)[-1].size == len(bodies_in(tmp_path))
    names = {file.name for file in (tmp_path / "heads").iterdir()}
    assert names == {*(f"{head.size:020d}.checkpoint" for head in heads_of(tmp_path)), "log.vkey"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a service that was stopped twice: after 5 commits, kept aside, and after 9."""
    older, folder = tmp_path_factory.mktemp("older") / "data", tmp_path_factory.mktemp("made")

    async def make():
        for count in (5, 4):
            async with serving(folder) as service, service.client() as client:
                await create(client, count)
                await service.stop()
            if not older.exists():
                shutil.copytree(folder, older)

    asyncio.run(make())
    assert [head.size for head in heads_of(folder)] == [0, 5, 9]
    return older, folder


def end_is_cut_off(folder, _):
    cut_off(folder, 8)


def older_copy_is_put_back(folder, older):
    shutil.copy(older / FILE_NAME, folder)


def log_is_emptied(folder, _):
    cut_off(folder, 0)


def log_is_taken_away(folder, _):
    (folder / FILE_NAME).unlink()


def log_is_another(folder, older):
    (folder / FILE_NAME).unlink()
    with contextlib.closing(sqlite3.connect(older / FILE_NAME)) as file:
        file.execute("VACUUM INTO ?", (str(folder / FILE_NAME),))
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as file, file:
        file.execute("UPDATE log SET epoch = 'another'")


def key_is_lost(folder, _):
    (folder / KEY_FILE).unlink()


def key_is_open_to_others(folder, _):
    (folder / KEY_FILE).chmod(0o644)


def newest_head_is_damaged(folder, _):
    HeadFolder(folder / "heads").files()[-1].write_bytes(b"\xff")


DAMAGES = {
    end_is_cut_off: "had 9 commits, and it ends at 8",
    older_copy_is_put_back: "had 9 commits, and it ends at 5",
    log_is_emptied: "had 9 commits, and it ends at 0",
    log_is_taken_away: "log.db is gone",
    log_is_another: "are of another log",
    key_is_lost: "is gone",
    key_is_open_to_others: "chmod 600",
    newest_head_is_damaged: "this is no signed note",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_folder_that_does_not_fit_its_heads_is_refused_in_one_line(
    made, tmp_path, damage, capsys, monkeypatch
):
    monkeypatch.setattr("sessions.logging.configure", lambda *_: None)
    older, original = made
    folder = tmp_path / "data"
    shutil.copytree(original, folder)
    damage(folder, older)
    log = (folder / FILE_NAME).exists()
    heads = {file.name: file.read_bytes() for file in (folder / "heads").iterdir()}
    for _ in range(2):
        code, words = await refused(folder)
        assert (code, words.count("\n")) == (1, 1), words
        assert words.startswith("sessiond: cannot start: ")
        assert DAMAGES[damage] in words
    listed = await asyncio.to_thread(cli.run, ["keys", "list", "--data", str(folder)])
    said = capsys.readouterr()
    assert (listed, said.out, said.err.count("\n")) == (1, "", 1)
    assert DAMAGES[damage] in said.err
    assert {file.name: file.read_bytes() for file in (folder / "heads").iterdir()} == heads
    assert (folder / FILE_NAME).exists() == log


async def test_a_log_that_went_on_from_an_older_copy_is_refused(made, tmp_path):
    older, original = made
    folder = tmp_path / "data"
    shutil.copytree(older, folder)
    async with serving(folder) as service, service.client() as client:
        await create(client, 8)
        await service.stop()
    shutil.rmtree(folder / "heads")
    shutil.copytree(original / "heads", folder / "heads")
    code, words = await refused(folder)
    assert (code, words.count("\n")) == (1, 1), words
    assert "otherwise of its first 9 commits" in words


async def test_what_is_left_of_a_log_goes_on_under_a_new_key_as_the_refusal_says(made, tmp_path):
    older, original = made
    folder = tmp_path / "data"
    shutil.copytree(original, folder)
    older_copy_is_put_back(folder, older)
    assert "move the heads and signing.key away" in (await refused(folder))[1]
    (folder / "heads").rename(tmp_path / "evidence")
    (folder / KEY_FILE).unlink()
    async with serving(folder) as service, service.client() as client:
        await create(client)
        await service.stop()
    assert heads_of(folder)[-1].size == 6
    assert HeadFolder(folder / "heads").vkey() != HeadFolder(tmp_path / "evidence").vkey()


async def test_a_full_folder_of_heads_stops_nothing_and_is_caught_up_with(tmp_path):
    with small_disk(tmp_path / "witness", "1m") as disk:
        options = ("--heads", str(disk.folder / "heads"), *OFTEN)
        data = tmp_path / "data"
        async with serving(data, *options, wrapper=disk.wrapper) as service:
            heads = HeadFolder(disk.outside / "heads")
            async with service.client() as client:
                await create(client, 3)
                await eventually(lambda: newest_size(heads) == 3, WAIT_S_MAX, "the head")
                disk.fill()
                await create(client, 20)
                said: dict[str, str] = {}
                while not said.get("heads"):
                    await asyncio.sleep(0.01)
                    async with client.get("/readyz") as answer:
                        assert answer.status == 200
                        said = await answer.json()
                assert "No space left" in said["heads"]
                assert newest_size(heads) == 3
                async with client.get("/metrics") as answer:
                    text = await answer.text()
                assert "sessiond_head_position 3.0" in text
                assert "sessiond_head_failures_total 0.0" not in text
                disk.relieve()
                await eventually(lambda: newest_size(heads) == 23, WAIT_S_MAX, "to catch up")
            await service.stop()
            assert service.stderr.count("heads.refused") == 1
            assert service.stderr.count("heads.resumed") == 1
            assert [file.name for file in heads.path.iterdir() if "new" in file.name] == []
        assert not (data / "heads").exists()
        with Archive(data) as log:
            _, found = heads.newest(verifier_of(heads)) or pytest.fail("no head")
            assert (found.size, found.root) == (log.size, log.root(log.size))
