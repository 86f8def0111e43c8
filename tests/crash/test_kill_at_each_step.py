"""kill -9 at each named step of what the service does by itself: twice each, under load."""

import asyncio
import contextlib
import json
import random
import signal

import aiohttp
import pytest

from tests.support.aftermath import (
    Observer,
    check_image,
    check_newest_head,
    check_once,
    check_past,
    check_replay,
    check_views,
    expected_frames,
    retry,
    seen_to_the_end,
)
from tests.support.disk_faults import disk_faults
from tests.support.dying import STEPS, last_words
from tests.support.load import Load, Promises, check_promises
from tests.support.process import READY, eventually, serving, start
from tests.support.replays import Replay, bodies_in, rebuild_tables_in

REBUILD = "/api/v1/views/rebuild"
DEATH_S_MAX = 120.0
# Small, so that little load is enough to come to each step.
CONSTANTS = {
    "eventstore.sqlite.writer:CHECKPOINT_BYTES": 500_000,
    "projections.shadow:ROWS_PER_WRITE": 20,
    "projections.follower:GATHER_S": 0.01,
    "projections.snapshotting:Snapshotting.__init__.__kwdefaults__": {"every": 60, "rest": 0.1},
    "projections.snapshotting:ROWS_PER_WRITE": 20,
}
OPTIONS = ("--heads-every", "40", "--heads-interval-s", "0.05")
# At which time of the step each of the two lives ends: in the middle of the work, and as soon as
# it can be. Of heads the other way round, for the first start makes their key.
COUNTS = {
    "append": (25, 1),
    "checkpoint": (2, 1),
    "follow": (5, 1),
    "rebuild": (1, 1),
    "head": (1, 5),
    "snapshot": (3, 1),
}
CALLS = {
    "append: some frames written": ("log.db-wal", "write", "after", 101),
    "append: written, not synced": ("log.db-wal", "sync", "before", 25),
    "append: synced, not committed": ("log.db-wal", "sync", "after", 25),
    "checkpoint: some pages copied": ("log.db", "write", "after", 10),
    "checkpoint: copied, not synced": ("log.db", "sync", "before", 2),
    "checkpoint: synced, not truncated": ("log.db-wal", "truncate", "before", 2),
    "checkpoint: truncated": ("log.db-wal", "truncate", "after", 2),
    "follow: some frames written": ("views.db-wal", "write", "after", 40),
}

pytestmark = pytest.mark.slow(reason="starts, kills and checks the service at 35 steps")


class Life:
    """Everything that must outlive the service."""

    def __init__(self, folder, chance):
        self.folder = folder
        self.chance = chance
        self.promises = Promises()
        self.replayed = Replay()
        self.observer = Observer()
        self.armed = folder.with_name("armed")

    def environment(self, step, count):
        """What makes the service die at the step."""
        constants = {"CONSTANTS": json.dumps(CONSTANTS)}
        if step in STEPS:
            return {**constants, "DIE_AT": step, "DIE_COUNT": str(count)}
        file, call, when, _ = CALLS[step]
        how = {"file": file, "call": call, "when": when, "count": count}
        return constants | disk_faults(**how, name=step, **{"while": self.armed})


async def work_until_dead(service, life, step, name):
    """Load from many clients, and rebuilds where these are to be died in."""
    load = Load(life.promises, life.chance, name)
    life.observer.url = service.url
    async with service.client() as client, asyncio.timeout(DEATH_S_MAX):
        life.armed.touch()
        working = asyncio.create_task(load.run(client))
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            while step.startswith("rebuild"):
                await asyncio.sleep(0.2)
                async with client.post(REBUILD) as answer:
                    assert answer.status == 202
        await working


async def die(life, step, count, name):
    """One life of a service that ends at the step: while it starts, or under load."""
    environ = life.environment(step, count)
    service = start(life.folder, *OPTIONS, module="tests.support.dying", environ=environ)

    def settled():
        return service.exit_code is not None or READY in service.stdout

    try:
        await eventually(settled, DEATH_S_MAX, "a start or an end")
        if service.exit_code is None:
            await work_until_dead(service, life, step, name)
        assert await service.exited() == -signal.SIGKILL, service.stderr
        assert service.stderr.endswith(last_words(step)), service.stderr
    finally:
        service.close()


def check_files(folder):
    """Nothing is left of what was under way."""
    assert rebuild_tables_in(folder) == []
    names = [path.name for path in folder.rglob("*")]
    assert not [name for name in names if ".new" in name or ".part" in name or ".tmp" in name]


async def check_back(life, watching):
    """The service comes back as if nothing had been, and goes on."""
    async with serving(life.folder) as service:
        life.observer.url = service.url
        await check_views(service, life.folder, life.replayed)
        await check_past(service, life.replayed, life.chance)
        load = Load(life.promises, life.chance, "last")
        await retry(service, life.promises, load, life.chance)
        life.replayed.extend(bodies_in(life.folder, len(life.replayed.bodies)))
        await seen_to_the_end(life.observer, watching, len(life.replayed.bodies))
        assert life.observer.seen == expected_frames(life.replayed)
        await service.stop()
    check_files(life.folder)
    assert check_newest_head(life.folder, life.replayed) == len(life.replayed.bodies)
    check_promises(life.promises, life.replayed)
    check_once(life.promises, life.replayed)
    check_replay(life.replayed)


@pytest.mark.parametrize("step", [*STEPS, *CALLS])
async def test_kill_9_at_a_named_step_loses_and_invents_nothing(step, tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    life = Life(tmp_path / "data", random.Random(seed))
    counts = (CALLS[step][-1], 1) if step in CALLS else COUNTS[step.partition(":")[0]]
    watching = asyncio.create_task(life.observer.run())
    for number, times in enumerate(counts):
        await die(life, step, times, f"life-{number}")
        await check_image(life.folder, tmp_path / "image", life.replayed)
        check_promises(life.promises, life.replayed)
        check_once(life.promises, life.replayed)
        check_newest_head(life.folder, life.replayed)
    assert life.promises.shown
    await check_back(life, watching)
