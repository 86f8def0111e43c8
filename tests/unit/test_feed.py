"""A reader of the feed sees every commit once and in order, wherever and whenever it begins."""

import asyncio
import random

import pytest

from eventstore.commit import Position, Recorded
from eventstore.feed import Feed
from eventstore.memory import MemoryLog
from tests.support.logs import Clock, filled, positions, wish

ENDLESS = 1 << 40


class BatchedLog(MemoryLog):
    """Tells of its commits in batches, later than they can be read, as a log on a disk does."""

    def __init__(self):
        super().__init__(Clock())
        self.untold: list[Recorded] = []
        self.reads = 0
        super().listen(self.untold.extend)
        self.tell = lambda batch: None

    def listen(self, listener):
        self.tell = listener

    def flush(self):
        """Tell of what was appended since."""
        if self.untold:
            batch, self.untold[:] = self.untold[:], []
            self.tell(batch)

    async def read(self, after=0, limit=1000):
        self.reads += 1
        await asyncio.sleep(0)
        return await super().read(after, limit)


@pytest.fixture
def log():
    return BatchedLog()


async def collect(feed, after, last, *, pause=lambda: 0):
    """The positions that a reader sees from `after` up to `last`."""
    seen: list[int] = []
    async for page in feed.follow(Position(after)):
        assert page
        seen.extend(positions(page))
        for _ in range(pause()):
            await asyncio.sleep(0)
        if seen[-1] >= last:
            return seen
    raise AssertionError("a feed has no end")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("commits_max", "bytes_max"),
    [(0, ENDLESS), (1, ENDLESS), (2, ENDLESS), (7, ENDLESS), (ENDLESS, 1), (ENDLESS, 1500)],
)
async def test_no_gap_and_no_repeat_while_the_ring_is_trimmed(log, commits_max, bytes_max, seed):
    chance = random.Random(seed)
    await filled(log, ["a"] * 20)
    log.flush()
    feed = Feed(log, commits_max=commits_max, bytes_max=bytes_max)
    last = 200

    async def write():
        while log.head().size < last:
            await log.append(
                wish(f"thing/{chance.randrange(3)}", data=["x" * chance.randrange(99)])
            )
            if chance.random() < 0.3 or log.head().size == last:
                log.flush()
            if chance.random() < 0.5:
                await asyncio.sleep(0)

    cursors = [0, 1, 19, 20, *(chance.randrange(last) for _ in range(8))]
    paces = [lambda: 0, lambda: 1, lambda: chance.randrange(12)]
    readers = [
        collect(feed, after, last, pause=paces[number % 3]) for number, after in enumerate(cursors)
    ]
    async with asyncio.timeout(60):
        *all_seen, _ = await asyncio.gather(*readers, write())
    for after, seen in zip(cursors, all_seen, strict=True):
        assert seen == list(range(after + 1, last + 1))


async def test_a_reader_that_keeps_up_never_touches_the_file(log):
    feed = Feed(log, commits_max=10)
    reader = asyncio.create_task(collect(feed, 0, 100))
    for _ in range(100):
        await filled(log, ["a"])
        log.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await reader == list(range(1, 101))
    assert log.reads == 0


async def test_a_reader_that_begins_at_the_head_sees_only_what_comes(log):
    await filled(log, ["a"] * 5)
    log.flush()
    feed = Feed(log)
    assert feed.head == 5
    assert await feed.page(feed.head) == ()
    reader = asyncio.create_task(collect(feed, feed.head, 7))
    await asyncio.sleep(0)
    await filled(log, ["a", "b"])
    log.flush()
    assert await reader == [6, 7]


async def test_a_reader_ahead_of_the_head_waits_for_its_position(log):
    feed = Feed(log)
    await filled(log, ["a"] * 3)  # can be read, but was not told of
    assert await feed.page(Position(2)) == ()
    reader = asyncio.create_task(collect(feed, 2, 4))
    log.flush()
    await filled(log, ["a"])
    log.flush()
    assert await reader == [3, 4]


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_page_is_the_same_from_the_ring_and_from_the_file(log, after, limit):
    feed = Feed(log, commits_max=8)
    for _ in range(10):
        await filled(log, ["a"])
        log.flush()
    page = await feed.page(Position(after), limit)
    assert positions(page) == list(range(after + 1, 11))[:limit]


@pytest.mark.parametrize("batch", [1, 5, 50])
async def test_the_ring_keeps_to_its_bounds(log, batch):
    feed = Feed(log, commits_max=20, bytes_max=4000)
    for _ in range(200 // batch):
        await filled(log, ["a"] * batch)
        log.flush()
        assert len(feed._ring) <= 20
        assert feed._bytes == sum(len(one.body) for one in feed._ring)
        assert feed._bytes <= 4000
    assert feed.head == 200


async def test_all_who_wait_are_woken_by_one_batch(log):
    feed = Feed(log)
    waiting = [asyncio.create_task(feed.grown(Position(after))) for after in (0, 0, 1, 2)]
    await asyncio.sleep(0)
    await filled(log, ["a", "a"])
    log.flush()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, True, True, False]
    await filled(log, ["a"])
    log.flush()
    await waiting[3]


async def test_a_reader_that_is_cancelled_leaves_the_others_alone(log):
    feed = Feed(log)
    gone, stays = [asyncio.create_task(collect(feed, 0, 2)) for _ in range(2)]
    await asyncio.sleep(0)
    gone.cancel()
    await filled(log, ["a", "a"])
    log.flush()
    assert await stays == [1, 2]
    with pytest.raises(asyncio.CancelledError):
        await gone
