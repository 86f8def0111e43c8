"""The power goes while the service works: nothing that it acknowledged is lost.

On a real ext4 that is shut down without its journal; where root may not mount one, the model of a
disk in `test_sync_fails.py` asks the same.
"""

import asyncio
import contextlib
import copy
import json
import random

import pytest

from eventstore.errors import EventStoreError
from eventstore.heads import HeadFolder
from eventstore.sqlite import storage
from tests.support.aftermath import (
    check_image,
    check_newest_head,
    check_once,
    check_whole,
    retry,
)
from tests.support.load import DOUBTFUL, REFUSED, Load, Promises, check_promises
from tests.support.loop_disk import loop_disk
from tests.support.process import refused, serving
from tests.support.replays import Replay

CUTS = 4
LIFE_S_MAX = 0.8
ROUNDS_MAX = 6
OPTIONS = ("--heads-every", "40", "--heads-interval-s", "0.05")
DYING = "tests.support.dying"
CHECKPOINTS = {"eventstore.sqlite.writer:CHECKPOINT_BYTES": 500_000}
CARELESS = {
    "eventstore.sqlite.storage:_WRITER_PRAGMAS": storage._WRITER_PRAGMAS.replace("FULL", "OFF")
}

pytestmark = pytest.mark.slow(reason="mounts disks, cuts their power and starts services on them")


@pytest.fixture
def disk(tmp_path):
    with loop_disk(tmp_path / "data") as disk:
        yield disk


@pytest.fixture
def chance():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def constants(values):
    """The environment of a service with these constants."""
    return {"CONSTANTS": json.dumps(values)}


async def cut_under_load(disk, folder, promises, chance, values):
    """One life of the service, ended by the power; what it had promised by then.

    Its answers are counted here, on another disk, and only those that came before the cut: the
    kernel says yes to a sync that the shutdown overtakes, as no machine without power does.
    """
    load = Load(promises, chance, f"r{len(promises.once)}", REFUSED | DOUBTFUL)
    how = {"wrapper": disk.wrapper, "module": DYING, "environ": constants(values)}
    async with (
        serving(disk.folder / folder, *OPTIONS, **how) as service,
        service.client() as client,
    ):
        working = asyncio.create_task(load.run(client))
        await asyncio.sleep(chance.random() * LIFE_S_MAX)
        promised = copy.deepcopy(promises)
        disk.cut()
        service.kill()
        await working
    disk.power_on()
    return promised


async def left_in(folder, image):
    """The log that is left, which may be nothing at all."""
    replayed = Replay()
    with contextlib.suppress(OSError, EventStoreError):
        await check_image(folder, image, replayed)
    return replayed


async def test_a_power_cut_loses_nothing_that_was_acknowledged(disk, tmp_path, chance):
    promises = Promises()
    for number in range(CUTS):
        promises = await cut_under_load(disk, "data", promises, chance, CHECKPOINTS)
        replayed = Replay()
        await check_image(disk.outside / "data", tmp_path / "image", replayed)
        check_promises(promises, replayed)
        check_once(promises, replayed)
        head = check_newest_head(disk.outside / "data", replayed)
        print(f"cut {number}: {len(replayed.bodies)} commits, the newest head is of {head}")
    async with serving(disk.folder / "data", wrapper=disk.wrapper) as service:
        await retry(service, promises, Load(promises, chance, "last"), chance)
        await service.stop()
    replayed = await check_whole(disk.outside / "data", tmp_path / "image", promises)
    check_once(promises, replayed)
    assert promises.shown


async def test_the_same_without_sync_loses_much_and_the_signed_heads_tell(disk, tmp_path, chance):
    for number in range(ROUNDS_MAX):
        name = f"data-{number}"
        promises = await cut_under_load(disk, name, Promises(), chance, CARELESS)
        left = await left_in(disk.outside / name, tmp_path / "image")
        there = [left.shown.get(where) == shown for where, shown in promises.shown.items()]
        print(f"round {number}: {sum(there)} of {len(there)} promises are there")
        if all(there):
            continue
        heads = HeadFolder(disk.outside / name / "heads").files()
        if heads and int(heads[-1].stem) > len(left.bodies):
            code, words = await refused(disk.folder / name, wrapper=disk.wrapper)
            assert (code, words.count("\n")) == (1, 1), words
            assert "signed" in words
            print(words)
        return
    pytest.fail("a service that does not sync lost nothing: the cut cuts nothing")
