"""From catching up to live: whenever a client joins, it is told everything once and in order."""

import asyncio
import random

import pytest

from eventstore.commit import START, Position, Recorded
from eventstore.feed import Feed
from eventstore.memory import MemoryLog
from sessions.metrics import Metrics
from sessions.observe import broadcast as fan_out
from sessions.observe.broadcast import Broadcast
from sessions.observe.client import TransportClient
from sessions.observe.protocol import Filter
from tests.support.logs import Clock, wish

WRITERS = 4
APPENDS = 60
CLIENTS = 60


def as_text(recorded: Recorded) -> bytes:
    """The position of a commit."""
    return b"%d " % recorded.commit.position


class Pipe(asyncio.WriteTransport):
    """A transport that takes everything at once."""

    def __init__(self):
        super().__init__()
        self.taken = b""

    def write(self, data):
        self.taken += data

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0


class Listener(TransportClient):
    """A client that is told positions and nothing else."""

    framing = staticmethod(as_text)

    def _frame(self, frame, position):
        return b""

    def _goodbye(self, code, reason):
        return b""


@pytest.mark.parametrize("writes_per_turn", [1, 7, 250])
async def test_joining_at_any_moment_leaves_no_gap_and_repeats_nothing(
    monkeypatch, writes_per_turn
):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    monkeypatch.setattr(fan_out, "WRITES_PER_TURN", writes_per_turn)
    log = MemoryLog(Clock())
    feed, broadcast = Feed(log), Broadcast(log, Metrics(), 3600)
    running = asyncio.create_task(broadcast.run())
    kinds = ["vm", "agent"]

    async def turns():
        for _ in range(chance.choice([0, 0, 0, 1, 2, 5])):
            await asyncio.sleep(0)

    async def write(worker):
        for number in range(APPENDS):
            tags = (f"kind={chance.choice(kinds)}",)
            await log.append(wish(f"session/{worker}-{number}", 0, tags=tags))
            await turns()

    async def listen():
        for _ in range(chance.randrange(80)):
            await asyncio.sleep(0)
        after = Position(chance.randrange(feed.head + 1))
        wanted = Filter(kinds=frozenset(chance.sample(kinds, chance.randrange(3))))
        pipe = Pipe()
        client: TransportClient = Listener(pipe, wanted, after, 1 << 20, Metrics(), lambda: True)
        broadcast.open(client)
        await client.catch_up(feed, broadcast)
        return client, pipe, after

    *told, _ = await asyncio.gather(
        *(listen() for _ in range(CLIENTS)),
        asyncio.gather(*(write(worker) for worker in range(WRITERS))),
    )
    for _ in range(1000):
        await asyncio.sleep(0)
    commits = [recorded.commit for recorded in await log.read(START, 10_000)]
    assert len(commits) == WRITERS * APPENDS
    for client, pipe, after in told:
        wanted = [c.position for c in commits if c.position > after and client.filter.takes(c)]
        assert [int(word) for word in pipe.taken.split()] == wanted
        assert client.position == commits[-1].position
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
