"""Law 5: what a client was told, however often it was cut off, is the log through its filter."""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from projections.events.status import ENDED, STATUSES
from projections.events.vm import VmReady, VmStarted, VmStopped
from projections.folds.vm import VM_STATUSES
from sessions.domain.policy import TRANSITIONS
from sessions.web.appkeys import FEED as FEED_KEY
from sessions.web.appkeys import LOG
from tests.support.feeds import FEED, SSE, expected, observe, read_sse
from tests.support.logs import whole
from tests.support.machines import append, requested
from tests.support.service import SESSIONS, ask, bearer, create, move, new_key, start

CLIENTS = 24
WRITERS = 4
CHANGES = 60
PATIENCE_S = 120
LABELS = ["red", "green", "blue"]
TENANTS = ["one", "two"]


class Client:
    """Connects, reads for a while, and leaves, again and again; resumes where it was told."""

    def __init__(self, service: Any, chance: random.Random, keys: dict[str, str]) -> None:
        self.service = service
        self.chance = chance
        self.after = 0
        self.told: list[Any] = []
        self.sittings = 0
        self.query = _filter(chance)
        self.tenant = chance.choice([None, None, *TENANTS])
        self.headers = bearer(keys[self.tenant]) if self.tenant else {}

    def __repr__(self) -> str:
        return f"{self.tenant or 'admin'} {self.query} in {self.sittings} sittings"

    async def follow(self, done: asyncio.Event) -> None:
        """Follow until everything is written, then to the end without a break."""
        while not done.is_set():
            await self.sit(self.chance.randrange(30), self.chance.random() * 0.1, 0)
            await asyncio.sleep(self.chance.random() * 0.02)
        await self.sit(1 << 40, PATIENCE_S, self.service.server.app[LOG].head().size)

    async def sit(self, frames: int, seconds: float, until: int) -> None:
        """Read so many frames, or so long, on any of the transports; or up to a position."""
        self.sittings += 1
        way = self.chance.choice([self.by_websocket, self.by_sse, self.by_poll])
        try:
            async with asyncio.timeout(seconds), contextlib.aclosing(way()) as told:
                async for frame in told:
                    self.take(frame)
                    frames -= 1
                    if frames < 0 or 0 < until <= self.after:
                        return
        except TimeoutError:
            assert not until, f"{self!r} got {way.__name__} to {self.after}, not to {until}"

    def take(self, frame: Any) -> None:
        """Note what a frame says."""
        match frame.pop("type"):
            case "event":
                self.told.append(frame)
                self.after = frame["position"]
            case "caught_up" | "ping":
                assert frame["position"] >= self.after
                self.after = frame["position"]
            case "hello":
                assert frame["after"] == self.after
            case other:
                raise AssertionError(other, frame)

    async def by_websocket(self):
        """Frames of a websocket that ends with a handshake or without."""
        query = [*self.query, ("after", str(self.after))]
        feed = await observe(self.service, query, headers=self.headers)
        try:
            while True:
                yield await feed.frame()
        finally:
            if self.chance.random() < 0.5:
                feed.drop()
            else:
                await feed.socket.close()

    async def by_sse(self):
        """Frames of server-sent events, cut off anywhere."""
        headers = {**self.headers, **SSE, "Last-Event-ID": str(self.after)}
        async with self.service.get(FEED, params=self.query, headers=headers) as answer:
            while True:
                told = await read_sse(answer.content)
                assert told.id == told.data.get("position", self.after)
                yield told.data

    async def by_poll(self):
        """The items of long polls, as frames."""
        limit = str(self.chance.randrange(1, 20))
        while True:
            query = [*self.query, ("after", str(self.after)), ("limit", limit), ("wait", "0.05")]
            page = await ask(self.service, "GET", FEED, params=query, headers=self.headers)
            for item in page["items"]:
                yield {"type": "event", **item}
            yield {"type": "ping", "position": page["position"]}


def _filter(chance: random.Random) -> list[tuple[str, str]]:
    statuses = [*STATUSES, *VM_STATUSES]
    words: dict[str, Sequence[str]] = {
        "kind": ["vm", "agent", "browser"],
        "status": statuses,
        "label": LABELS,
        "tenant": [*TENANTS, "default"],
    }
    query: list[tuple[str, str]] = []
    for name, values in words.items():
        if chance.random() < 0.4:
            most = {"label": 2, "tenant": 1, "kind": 2, "status": 8}[name]
            query += [(name, v) for v in chance.sample(values, chance.randint(1, most))]
    return query


async def write(service, chance, keys):
    """Change whatever, as fast as the service takes it."""
    made: list[Any] = []
    machines: dict[str, Iterator[Any]] = {}
    for _ in range(CHANGES):
        what = chance.random()
        if what < 0.3 or not made:
            tenant = chance.choice(TENANTS)
            kind = chance.choice(["vm", "agent", "browser"])
            labels = chance.sample(LABELS, chance.randrange(3))
            headers = bearer(keys[tenant])
            made.append(await create(service, kind, labels=labels, headers=headers))
            continue
        index = chance.randrange(len(made))
        session = made[index]
        path = f"{SESSIONS}/{session['id']}"
        if what < 0.6 and session["status"] not in ENDED:
            onward = sorted(TRANSITIONS[session["status"]])
            made[index] = await move(service, session, chance.choice(onward))
        elif what < 0.75:
            labels = chance.sample(LABELS, chance.randrange(4))
            made[index] = await ask(service, "PATCH", path, json={"labels": labels})
        elif what < 0.8:
            await ask(service, "DELETE", path, 204)
            made.pop(index)
        else:
            machine = f"of-{session['id']}"
            life = (requested(session), VmStarted(), VmReady(), VmStopped(reason="finished"))
            fact = next(machines.setdefault(machine, iter(life)), None)
            if fact is not None:
                await append(service, machine, fact, tenant=session["tenant"])


@pytest.mark.parametrize("ring", [1 << 16, 8], ids=["from memory", "from the file"])
async def test_what_a_client_was_told_is_the_log_through_its_filter(aiohttp_client, tmp_path, ring):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    service = await start(aiohttp_client, tmp_path, heartbeat_s=0.05)
    service.server.app[FEED_KEY]._commits_max = ring
    keys = {tenant: (await new_key(service, tenant))["key"] for tenant in TENANTS}
    clients = [Client(service, random.Random(chance.random()), keys) for _ in range(CLIENTS)]
    done = asyncio.Event()
    following = [asyncio.create_task(client.follow(done)) for client in clients]
    writers = (write(service, random.Random(chance.random()), keys) for _ in range(WRITERS))
    await asyncio.gather(*writers)
    done.set()
    await asyncio.gather(*following)
    log = [msgspec.json.decode(recorded.body) for recorded in await whole(service.server.app[LOG])]
    for client in clients:
        wanted = await expected(service, client.query, client.tenant if client.tenant else None)
        if client.tenant:
            query = [pair for pair in client.query if pair[0] != "tenant"]
            wanted = await expected(service, query, client.tenant)
        assert client.told == [log[position - 1] for position in wanted], client
    assert sum(len(client.told) for client in clients) > CHANGES
    assert sum(client.sittings for client in clients) > 3 * CLIENTS
