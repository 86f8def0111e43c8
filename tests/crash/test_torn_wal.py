"""A WAL that is cut, garbled or gone: the log is what was appended up to some commit, or refuses.

What is missing then was acknowledged once: that the file alone cannot tell, the signed heads can.
"""

import asyncio
import json
import random
import shutil
import signal
import sqlite3

import pytest

from eventstore.errors import EventStoreError
from eventstore.heads import HeadFolder
from eventstore.sqlite.archive import Archive
from eventstore.sqlite.checking import check_indexes
from eventstore.sqlite.log import FILE_NAME
from tests.support.disk_faults import disk_faults
from tests.support.load import Load, Promises
from tests.support.logs import check_log
from tests.support.process import eventually, refused, serving
from tests.support.replays import bodies_in, opened_log, read_only
from tests.support.scripts import run_script

WAL = f"{FILE_NAME}-wal"
SHM = f"{FILE_NAME}-shm"
INDEXES = {
    "commits_by_id": "id > x''",
    "commits_by_stream": "stream > 0",
    "commits_by_name": "name IS NOT NULL",
}
OPTIONS = ("--heads-every", "40", "--heads-interval-s", "0.05")
CUTS = 40
FLIPS = 40
LOAD_S = 0.5
DEATH_S_MAX = 240.0
FRAME_BYTES = 24 + 4096
LAST_FRAMES = 12
# Where the writer dies in a checkpoint: some pages of the file are newer than the rest of it.
PAGES_COPIED = 60

pytestmark = pytest.mark.slow(reason="opens a log after a hundred kinds of damage")


@pytest.fixture(scope="module")
def chance():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


class Crashed:
    """The files that a killed service left, and the bodies that they hold."""

    def __init__(self, folder):
        self.folder = folder
        self.wal = (folder / WAL).read_bytes()
        copied = copy(self, folder.with_name("whole"))
        self.bodies = bodies_in(copied)


def copy(crashed, folder):
    """The files of the log alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in (FILE_NAME, WAL):
        shutil.copy(crashed.folder / name, folder)
    return folder


async def work(service, chance, folder):
    """Load until the service is gone, or for a moment in which it signs a head."""
    load = Load(Promises(), chance, "r")
    heads = HeadFolder(folder / "heads")
    before = len(heads.files())
    async with service.client() as client:
        working = asyncio.create_task(load.run(client))
        await asyncio.wait({working}, timeout=LOAD_S)
        await eventually(
            lambda: working.done() or len(heads.files()) > before, DEATH_S_MAX, "a head"
        )
        load.stop()
        await working


async def crash(folder, chance, **how):
    """A log with a part in its file and a part in its WAL."""
    async with serving(folder, *OPTIONS) as service:
        await work(service, chance, folder)
        await service.stop()
    async with serving(folder, *OPTIONS, **how) as service:
        async with asyncio.timeout(DEATH_S_MAX):
            while service.exit_code is None:
                await work(service, chance, folder)
                if not how:
                    service.kill()
        assert service.exit_code == -signal.SIGKILL
    return Crashed(folder)


@pytest.fixture(scope="module")
def under_load(tmp_path_factory, chance):
    """Killed under load."""
    return asyncio.run(crash(tmp_path_factory.mktemp("load") / "data", chance))


@pytest.fixture(scope="module")
def in_checkpoint(tmp_path_factory, chance):
    """Killed when some pages were copied and others were not."""
    constants = {"eventstore.sqlite.writer:CHECKPOINT_BYTES": 2_000_000}
    fault = disk_faults(file=FILE_NAME, call="write", when="after", count=PAGES_COPIED)
    environ = {"CONSTANTS": json.dumps(constants), **fault}
    how = {"module": "tests.support.dying", "environ": environ}
    return asyncio.run(crash(tmp_path_factory.mktemp("checkpoint") / "data", chance, **how))


def indexes_are_whole(folder, size):
    """True if each index of the log knows every commit."""
    counts = []
    with read_only(folder / FILE_NAME) as log:
        try:
            for index, where in INDEXES.items():
                sql = f"SELECT count(*) FROM commits INDEXED BY {index} WHERE {where}"
                counts += log.execute(sql).fetchall()
            [named] = log.execute("SELECT count(*) FROM commits NOT INDEXED WHERE name IS NOT NULL")
        except sqlite3.DatabaseError:
            return False
    return counts == [(size,), (size,), named]


async def length_of(folder, truth):
    """How much of the truth the log of `folder` tells; None where it refuses to tell anything."""
    told = read_from_outside(folder)
    assert told is None or told == truth[: len(told)]
    try:
        async with opened_log(folder) as log:
            commits = await check_log(log)
    except EventStoreError as error:
        print(error)
        return None
    bodies = [recorded.body for recorded in commits]
    assert bodies == truth[: len(bodies)]
    assert told in (None, bodies)
    # A page of an index may be newer or older than its rows: that is for a verification to find.
    if not indexes_are_whole(folder, len(bodies)):
        assert check_indexes(folder / FILE_NAME, lambda _: None)
    return len(bodies)


def read_from_outside(folder):
    """The bodies as a script reads them, with the tree checked; None where it is refused."""
    try:
        with Archive(folder) as archive:
            return [body for page in archive.bodies() for body in page]
    except EventStoreError:
        return None


async def damaged(crashed, folder, damages):
    """The length of the log after each of the damages to its WAL."""
    lengths = []
    for damage in damages:
        copy(crashed, folder)
        damage(folder)
        lengths.append(await length_of(folder, crashed.bodies))
    return lengths


def cut_to(size):
    def damage(folder):
        with (folder / WAL).open("r+b") as wal:
            wal.truncate(size)

    return damage


def flip(at, bit):
    def damage(folder):
        wal = bytearray((folder / WAL).read_bytes())
        wal[at] ^= 1 << bit
        (folder / WAL).write_bytes(wal)

    return damage


def cuts(crashed, chance):
    """At the end, at the borders of frames, and anywhere."""
    size = len(crashed.wal)
    frames = (size - 32) // FRAME_BYTES
    borders = [32 + FRAME_BYTES * chance.randrange(frames) for _ in range(CUTS // 4)]
    anywhere = [chance.randrange(size) for _ in range(CUTS // 2)]
    return sorted({0, 1, 31, 32, 33, size - 1, size - FRAME_BYTES, *borders, *anywhere})


@pytest.fixture(params=["under_load", "in_checkpoint"])
def crashed(request):
    return request.getfixturevalue(request.param)


async def test_a_wal_cut_anywhere_leaves_a_log_that_is_true_or_refuses(crashed, tmp_path, chance):
    sizes = cuts(crashed, chance)
    lengths = await damaged(crashed, tmp_path / "cut", map(cut_to, sizes))
    print(lengths)
    told = [length for length in lengths if length is not None]
    assert told == sorted(told)
    assert len(set(told)) > 3
    assert told[-1] < len(crashed.bodies)


async def test_a_flipped_bit_in_the_wal_ends_the_log_there(crashed, tmp_path, chance):
    size = len(crashed.wal)
    last = [size - 1 - chance.randrange(LAST_FRAMES * FRAME_BYTES) for _ in range(FLIPS // 2)]
    places = last + [chance.randrange(size) for _ in range(FLIPS // 2)]
    flips = [flip(at, chance.randrange(8)) for at in places]
    lengths = await damaged(crashed, tmp_path / "flip", flips)
    print(lengths)
    assert any(length is not None and length < len(crashed.bodies) for length in lengths)


def index_of_the_kill(crashed):
    def damage(folder):
        shutil.copy(crashed.folder / SHM, folder)

    return damage


def index_of_noise(chance):
    noise = chance.randbytes(32 << 10)

    def damage(folder):
        (folder / SHM).write_bytes(noise)

    return damage


async def test_the_index_of_the_wal_is_made_anew_whatever_it_says(crashed, tmp_path, chance):
    damages = [index_of_the_kill(crashed), index_of_noise(chance), lambda _: None]
    lengths = await damaged(crashed, tmp_path / "index", damages)
    assert lengths == [len(crashed.bodies)] * len(damages)


async def test_commits_that_went_with_their_wal_are_missed_by_the_signed_heads(
    under_load, tmp_path
):
    folder, kept = tmp_path / "data", tmp_path / "kept.checkpoint"
    shutil.copytree(under_load.folder, folder, ignore=shutil.ignore_patterns("*.sock"))
    shutil.copy(HeadFolder(folder / "heads").files()[-1], kept)
    newest = int(HeadFolder(folder / "heads").files()[-1].stem)
    verified = run_script("verify", "--data", folder, "--from-head", kept, "--json")
    assert (verified.code, verified.answer["holds"]) == (0, True), verified
    (folder / WAL).unlink()
    code, words = await refused(folder)
    assert (code, words.count("\n")) == (1, 1), words
    assert f"had {newest} commits, and it ends at" in words
    verified = run_script("verify", "--data", folder, "--from-head", kept, "--json")
    assert (verified.code, verified.answer["holds"]) == (1, False), verified
    left = await length_of(folder, under_load.bodies)
    assert left < newest <= len(under_load.bodies)
    print(verified.answer)
