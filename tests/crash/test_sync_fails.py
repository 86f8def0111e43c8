"""A disk that fails to sync, and a kill before the sync: what is not durable is never answered.

The disk is a model of the worst there is, kept beside the real files: it holds what was synced and
not a byte more, and what a failed sync should have written is lost for good although the files
still show it, as on a kernel that marks such pages as clean.
"""

import asyncio
import contextlib
import copy
import json
import random
import shutil

import aiohttp
import pytest

from eventstore.sqlite import storage
from tests.support.aftermath import carried_out, check_image, check_once
from tests.support.disk_faults import disk_faults
from tests.support.load import DOUBTFUL, PATH, REFUSED, Asked, Load, Promises, check_promises
from tests.support.process import eventually, serving
from tests.support.replays import Replay

LIFE_S_MAX = 0.5
FAILS_S_MAX = 0.1
FAILS = 6
ASKED = 16
PATIENCE_S = 120.0
DYING = "tests.support.dying"
CHECKPOINTS = {"eventstore.sqlite.writer:CHECKPOINT_BYTES": 100_000}
CARELESS = {
    "eventstore.sqlite.storage:_WRITER_PRAGMAS": storage._WRITER_PRAGMAS.replace("FULL", "OFF")
}
UNSYNCED = {
    "the sync fails": {"when": "fail"},
    "killed before the sync": {"when": "before"},
}

pytestmark = pytest.mark.slow(reason="starts the service on disks that fail to sync")


class Disk:
    """A data folder and what a disk would hold of it."""

    def __init__(self, folder):
        self.folder = folder
        self.armed = folder.with_name("armed")
        self._durable = folder.with_name("durable")
        self._image = folder.with_name("image")

    async def make(self):
        """A new data folder, all of it durable."""
        async with serving(self.folder) as service:
            await service.stop()
        shutil.copytree(self.folder, self._durable)

    def how(self, values=CHECKPOINTS, **fault):
        """How to start a service on it: with these constants, and this fault while armed."""
        given = disk_faults(durable=self._durable, **fault, **{"while": self.armed})
        return {"module": DYING, "environ": {"CONSTANTS": json.dumps(values), **given}}

    async def lose_power(self):
        """The log as the disk holds it."""
        replayed = Replay()
        await check_image(self._durable, self._image, replayed)
        return replayed

    async def look(self):
        """The log as the files show it."""
        replayed = Replay()
        await check_image(self.folder, self._image, replayed)
        return replayed


@pytest.fixture
async def disk(tmp_path):
    disk = Disk(tmp_path / "data")
    await disk.make()
    return disk


@pytest.fixture
def chance():
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


async def killed_under_load(disk, promises, chance, how, failed=""):
    """Some load, then kill -9; the syncs fail now and then, if the disk was started so.

    Not before the disk has said that it `failed`: a busy machine may sync seldom.
    """
    load = Load(promises, chance, "r", REFUSED | DOUBTFUL)
    async with serving(disk.folder, **how) as service, service.client() as client:
        working = asyncio.create_task(load.run(client))
        for _ in range(FAILS):
            await asyncio.sleep(chance.random() * LIFE_S_MAX)
            disk.armed.touch()
            await asyncio.sleep(chance.random() * FAILS_S_MAX)
            disk.armed.unlink()
        if failed not in service.stderr:
            disk.armed.touch()
            await eventually(lambda: failed in service.stderr, PATIENCE_S, failed)
            disk.armed.unlink()
        await asyncio.sleep(chance.random() * LIFE_S_MAX)
        promised = copy.deepcopy(promises)
        service.kill()
        await working
    return promised


@pytest.mark.parametrize("file", ["log.db-wal", "log.db"])
async def test_what_a_failed_sync_left_is_not_answered_as_durable(disk, chance, file):
    how = disk.how(file=file, call="sync", when="fail", name=file)
    promises = await killed_under_load(disk, Promises(), chance, how, f"failed at {file}\n")
    replayed = await disk.lose_power()
    check_promises(promises, replayed)
    check_once(promises, replayed)
    assert promises.shown


async def test_a_service_that_does_not_sync_is_found_out_by_this_disk(disk, chance):
    promises = await killed_under_load(disk, Promises(), chance, disk.how(CARELESS))
    replayed = await disk.lose_power()
    assert any(replayed.shown.get(where) != shown for where, shown in promises.shown.items())


async def ask(disk, how, asked, promises):
    """Make all but the first request on a disk that does not sync, then kill the service."""
    load = Load(promises, random.Random(1), "first", DOUBTFUL)

    async def one(client, request):
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await load.once(client, request)

    async with serving(disk.folder, **how) as service, service.client() as client:
        await one(client, asked[0])  # with it the WAL has begun
        disk.armed.touch()
        await asyncio.gather(*(one(client, request) for request in asked[1:]))
        service.kill()
    disk.armed.unlink()


@pytest.mark.parametrize("fault", UNSYNCED.values(), ids=UNSYNCED.keys())
async def test_what_a_restart_finds_is_durable_before_anybody_is_told(disk, chance, fault):
    body = {"kind": "agent", "status": "running"}
    keys = [f"key-{number}" for number in range(ASKED)]
    asked = [Asked("POST", PATH, {**body, "metadata": {"name": key}}, key) for key in keys]
    promises = Promises()
    await ask(disk, disk.how(file="log.db-wal", call="sync", **fault), asked, promises)
    assert len(promises.shown) == 1
    shown, durable = await disk.look(), await disk.lose_power()
    found = [request for request in asked if carried_out(request, shown)]
    assert [request for request in found if carried_out(request, durable)] == asked[:1]
    assert len(found) > 1, "nothing was written but not synced"

    load = Load(promises, chance, "second", REFUSED)
    async with serving(disk.folder, **disk.how()) as service, service.client() as client:
        await asyncio.gather(*(load.once(client, request) for request in found))
        service.kill()
    replayed = await disk.lose_power()
    check_promises(promises, replayed)
    assert all(carried_out(request, replayed) for request in found)

    promises = await killed_under_load(disk, promises, chance, disk.how())
    replayed = await disk.lose_power()
    check_promises(promises, replayed)
    check_once(promises, replayed)
