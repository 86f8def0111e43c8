"""kill -9 of the real service under load: what it promised is there, and everybody agrees."""

import asyncio
import contextlib
import random
import shutil
from collections import Counter, defaultdict

import aiohttp
import msgspec
import pytest

from eventstore.codec import Fact
from eventstore.commit import Append, restore
from eventstore.sqlite.log import FILE_NAME
from eventstore.sqlite.writer import IDLE_S
from projections.events import CODEC
from projections.events.vm import VmReady, VmRequested, VmStarted, VmStopped
from projections.subjects import replay
from sessions.caller import DEFAULT_TENANT
from sessions.observe.protocol import SHOWN
from sessions.service import Once
from tests.support.load import Load, Promises, check_promises
from tests.support.process import ADMIN_KEY, eventually, serving, start
from tests.support.replays import Replay, bodies_in, checkpoint_in, digest, opened_log, tables_in
from tests.support.trees import root_of_bodies

KILLS = 30
LIFE_S_MAX = 1.0
START_S = 0.8
CAUGHT_UP_S_MAX = 20.0
RETRIES = 40
CHECKPOINT_KILLS = 6
CHECKPOINT_S = 0.03
MESSAGES = 35
MESSAGE_CHARS = 240_000


class Observer:
    """A websocket client that lives through every kill: it goes on after what it was told last."""

    def __init__(self):
        self.url = ""
        self.position = 0
        self.seen = []
        self.connections = 0

    async def run(self):
        async with aiohttp.ClientSession() as client:
            while True:
                try:
                    await self._watch(client)
                except (aiohttp.ClientError, ConnectionError, ValueError):
                    await asyncio.sleep(0.01)

    async def _watch(self, client):
        asked = {"after": self.position, "api_key": ADMIN_KEY}
        async with client.ws_connect(f"{self.url}/api/v1/observe", params=asked) as socket:
            hello = msgspec.json.decode((await socket.receive()).data or b"null")
            if hello is None:
                return
            assert hello["type"] == "hello"
            assert hello["after"] == self.position
            self.connections += 1
            async for message in socket:
                self._take(message.data.encode())

    def _take(self, frame):
        told = msgspec.json.decode(frame)
        assert told["type"] in ("event", "caught_up", "ping")
        if told["type"] == "event":
            assert told["position"] > self.position
            self.seen.append((told["position"], digest(frame)))
        assert told["position"] >= self.position
        self.position = told["position"]


def expected_frames(replayed):
    """What an observer must have seen of this log."""
    frames = []
    for position, body in enumerate(replayed.bodies, 1):
        if msgspec.json.decode(body)["stream"].startswith(SHOWN):
            frames.append((position, digest(b'{"type":"event",' + body[1:])))
    return frames


async def check_image(folder, image, replayed):
    """The files as the kill left them: whole, and the same log as before with more at its end."""
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for suffix in ("", "-wal"):
        source = folder / (FILE_NAME + suffix)
        if source.exists():
            shutil.copy(source, image)
    async with opened_log(image) as log:
        head = log.head()
        bodies = bodies_in(image)
    assert bodies[: len(replayed.bodies)] == replayed.bodies
    replayed.extend(bodies[len(replayed.bodies) :])
    assert (head.size, head.root) == (len(bodies), root_of_bodies(bodies))


async def check_views(service, folder, replayed):
    """The service that has just come back shows the fold of its log, row by row."""
    assert bodies_in(folder) == replayed.bodies
    assert checkpoint_in(folder) == len(replayed.bodies)
    assert tables_in(folder) == replayed.tables()
    async with service.client() as client, client.get("/readyz") as answer:
        ready = await answer.json()
    assert (answer.status, ready["head"], ready["lag"]) == (200, len(replayed.bodies), 0)


def check_replay(replayed):
    """Folded in one go, stream by stream, the states are those of the fold commit by commit."""
    streams = defaultdict(list)
    for body in replayed.bodies:
        commit = restore(body).commit
        streams[commit.stream].append(commit)
    assert {name: replay(name, commits) for name, commits in streams.items()} == replayed.states


def check_once(promises, replayed):
    """Each request with an idempotency key was carried out once; a refused one not at all."""
    marks: Counter[str] = Counter()
    for _, kind, data in replayed.facts:
        if kind == "session.created":
            marks[data["metadata"].get("name", "")] += 1
        elif kind == "message.added":
            marks[data["content"].rstrip("abc√")] += 1
    for asked, answered in promises.once.values():
        mark = asked.body.get("metadata", {}).get("name") or asked.body.get("content")
        if mark is not None:
            # The request that was under way when the service died may be in the log or not.
            wanted = (1,) if answered else (0, 1)
            assert marks[mark.rstrip("abc√")] in wanted, asked
        assert carried_out(asked, replayed) or not answered
    assert not any(carried_out(asked, replayed) for asked in promises.never)


def carried_out(asked, replayed):
    """True if the log holds the commit of this request; one that changes nothing has one too."""
    return Once(f"native {asked.key}", "").commit_id(DEFAULT_TENANT).hex() in replayed.ids


async def retry(service, promises, load, chance):
    """Make the unanswered requests again, and some of those that were answered."""
    once = promises.once.values()
    unanswered = [asked for asked, answered in once if answered is None]
    answered = [asked for asked, answered in once if answered]
    again = unanswered + chance.sample(answered, min(RETRIES, len(answered)))
    chance.shuffle(again)
    async with service.client() as client:
        await asyncio.gather(*(load.once(client, asked) for asked in again))
    assert all(answered for _, answered in promises.once.values())
    return len(unanswered)


async def seen_to_the_end(observer, watching, head):
    """Wait until the observer was told all; whatever went wrong in it comes out here."""
    await eventually(
        lambda: observer.position >= head or watching.done(), CAUGHT_UP_S_MAX, "the observer"
    )
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def add_machine(folder, number):
    """No client can make a machine yet: put one into the log while nobody else writes it."""
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
            await asyncio.sleep(chance.random() * LIFE_S_MAX)
            service.kill()
            await working
    assert load.answers
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
    """Return when the log's own file, and not only its WAL, is being written."""
    path = folder / FILE_NAME
    before = path.stat().st_size
    async with asyncio.timeout(IDLE_S + CAUGHT_UP_S_MAX):
        while path.stat().st_size == before:  # noqa: ASYNC110 - a file tells nobody
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
