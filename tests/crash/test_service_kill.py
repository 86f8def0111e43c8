"""kill -9 of the real service under load: what it promised is there, and everybody agrees."""

import asyncio
import random

import pytest

from eventstore.codec import Fact
from eventstore.commit import Append
from eventstore.sqlite.log import FILE_NAME
from eventstore.sqlite.writer import IDLE_S
from projections.events import CODEC
from projections.events.vm import VmReady, VmRequested, VmStarted, VmStopped
from tests.support.aftermath import (
    CAUGHT_UP_S_MAX,
    Observer,
    check_image,
    check_once,
    check_replay,
    check_views,
    expected_frames,
    retry,
    seen_to_the_end,
)
from tests.support.load import Load, Promises, check_promises
from tests.support.process import eventually, serving, start
from tests.support.replays import Replay, bodies_in, digest, opened_log

KILLS = 30
LIFE_S_MAX = 1.0
START_S = 0.8
CHECKPOINT_KILLS = 6
CHECKPOINT_S = 0.03
MESSAGES = 35
MESSAGE_CHARS = 240_000


async def add_machine(folder, number):
    """Put a machine into the log while nobody else writes it: the next start finds it lost."""
    facts: list[Fact] = [VmRequested(session="s", vcpu_count=1, memory_mb=number, lifetime_s=9)]
    facts += [VmStarted(), VmReady(boot_ms=3), VmStopped(reason="requested")][: number % 4]
    async with opened_log(folder) as log:
        for index, fact in enumerate(facts):
            wish = Append(
                stream=f"vm/v-{number}",
                expected=None,
                commit_id=digest(f"{number}/{index}".encode())[:16],
                events=(CODEC.encode(fact),),
                actor="tester",
                tenant="lab",
            )
            await log.append(wish)


async def live(folder, observer, chance, round_number, promises, replayed):
    """One life of the service: come back, be checked, work, be killed; requests made twice."""
    load = Load(promises, chance, f"r{round_number}")
    async with serving(folder) as service:
        observer.url = service.url
        await check_views(service, folder, replayed)
        retried = await retry(service, promises, load, chance)
        async with service.client() as client:
            working = asyncio.create_task(load.run(client))
            await eventually(lambda: load.answers > 0, CAUGHT_UP_S_MAX, "an answer")
            await asyncio.sleep(chance.random() * LIFE_S_MAX)
            service.kill()
            await working
    return retried


async def die_early(folder, chance):
    """A start that is killed before it is ready, or just when it is."""
    service = start(folder)
    await asyncio.sleep(chance.random() * START_S)
    service.close()


async def say_much(client, promises):
    """So much that the writer checkpoints as soon as it has nothing to do."""
    async with client.post("/api/v1/sessions", json={"kind": "agent"}) as answer:
        session_id = promises.session(await answer.read())
    for _ in range(MESSAGES // 5):
        said = [say(client, promises, session_id) for _ in range(5)]
        await asyncio.gather(*said)


async def say(client, promises, session_id):
    message = {"content": "x" * MESSAGE_CHARS}
    async with client.post(f"/api/v1/sessions/{session_id}/messages", json=message) as answer:
        assert answer.status == 201
        promises.session(await answer.read())


async def checkpoint_begins(folder):
    """Return when the log's own file, and not only its WAL, is being written, or has been."""
    path, wal = folder / FILE_NAME, folder / f"{FILE_NAME}-wal"
    before = path.stat().st_size
    async with asyncio.timeout(IDLE_S + CAUGHT_UP_S_MAX):
        # Where this task was too slow, the WAL is empty already.
        while path.stat().st_size == before and wal.stat().st_size:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0)


@pytest.mark.slow(reason="writes 8 MB, waits for the writer to be idle and kills it, six times")
async def test_kill_9_around_a_checkpoint_loses_nothing(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder, image = tmp_path / "data", tmp_path / "image"
    promises, replayed, done = Promises(), Replay(), []
    for _ in range(CHECKPOINT_KILLS):
        async with serving(folder) as service:
            await check_views(service, folder, replayed)
            async with service.client() as client:
                await say_much(client, promises)
            await checkpoint_begins(folder)
            await asyncio.sleep(chance.random() * CHECKPOINT_S)
            service.kill()
        done.append((folder / f"{FILE_NAME}-wal").stat().st_size == 0)
        await check_image(folder, image, replayed)
        check_promises(promises, replayed)
    print(f"checkpoints that were done before the kill: {done}")
    async with serving(folder) as service:
        await check_views(service, folder, replayed)


@pytest.mark.slow(reason="starts and kills the service more than thirty times")
async def test_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder, image = tmp_path / "data", tmp_path / "image"
    promises, replayed, observer = Promises(), Replay(), Observer()
    watching = asyncio.create_task(observer.run())
    retried = 0
    for round_number in range(KILLS):
        retried += await live(folder, observer, chance, round_number, promises, replayed)
        while chance.random() < 0.2:
            await die_early(folder, chance)
        if round_number % 5 == 0:
            await add_machine(folder, round_number + 1)
        await check_image(folder, image, replayed)
        check_promises(promises, replayed)
        check_once(promises, replayed)

    async with serving(folder) as service:
        observer.url = service.url
        await check_views(service, folder, replayed)
        await retry(service, promises, Load(promises, chance, "last"), chance)
        replayed.extend(bodies_in(folder, len(replayed.bodies)))
        await seen_to_the_end(observer, watching, len(replayed.bodies))
        assert observer.seen == expected_frames(replayed)
        await service.stop()
    check_promises(promises, replayed)
    check_once(promises, replayed)
    check_replay(replayed)
    assert observer.connections > KILLS // 2
    assert retried
    print(f"{len(replayed.bodies)} commits, {len(promises.shown)} promises, {retried} retried")
