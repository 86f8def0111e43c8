"""Channels: numbers without a gap, the same for ever, whoever polls when (section 4)."""

import asyncio
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from eventstore.feed import Feed
from eventstore.memory import MemoryLog
from sessions.dialects.wave import channels as module
from sessions.dialects.wave.channels import ChannelEvent, Channels
from tests.support.logs import wish

STREAM = "thing/1"
ASIDE = "thing/2"
# Small enough that a short history has several pages, marks and answers.
BOUNDS: dict[str, Any] = {"PAGE": 3, "MARK_EVERY": 2, "EVENTS_MAX": 4}

# How many events each commit tells; None is a commit of another stream.
histories = st.lists(st.none() | st.integers(0, 3), max_size=25)


class SlowLog(MemoryLog):
    """Its reads of a stream take some turns of the loop, while others append."""

    async def read_stream(self, *args):
        for _ in range(3):
            await asyncio.sleep(0)
        page = await super().read_stream(*args)
        for _ in range(3):
            await asyncio.sleep(0)
        return page


def tell(commit):
    """As many events as the commit says, each with its position and place."""
    return [("told", [commit.position, n]) for n in range(int(bytes(commit.events[0].data)))]


async def append(log, told):
    stream = ASIDE if told is None else STREAM
    await log.append(wish(stream, data=[told or 0]))


def told_by(history):
    """What the channel of a whole history must hold."""
    data = [[at, n] for at, told in enumerate(history, 1) for n in range(told or 0)]
    return [ChannelEvent("told", one, number) for number, one in enumerate(data)]


def opened(log):
    return Channels(log, Feed(log))


async def poll(channels, after, wait_s=0.0):
    return list(await channels.poll(STREAM, tell, after, wait_s, lambda: False))


async def everything(channels, after=-1):
    """Poll after poll, until there is nothing more."""
    events = []
    while page := await poll(channels, after):
        assert len(page) <= BOUNDS["EVENTS_MAX"] + 2
        events += page
        after = page[-1].number
    return events


@given(histories, st.integers(-3, 40), st.integers(0, 25))
def test_numbers_have_no_gap_and_are_the_same_after_a_restart(history, after, restart):
    async def play():
        log = SlowLog()
        channels = opened(log)
        for at, told in enumerate(history):
            await append(log, told)
            if at == restart:
                assert await everything(channels) == told_by(history[: at + 1])
                channels = opened(log)
        expected = told_by(history)
        assert await everything(channels) == expected
        assert await everything(opened(log)) == expected
        assert await everything(channels, after) == expected[max(after, -1) + 1 :]
        assert await everything(opened(log), after) == expected[max(after, -1) + 1 :]

    with mock.patch.multiple(module, **BOUNDS):
        asyncio.run(play())


@given(histories, st.data())
def test_who_polls_while_others_append_misses_nothing(history, data):
    pauses = data.draw(st.lists(st.integers(0, 8), min_size=len(history), max_size=len(history)))
    expected = told_by(history)

    async def play():
        log = SlowLog()
        channels = opened(log)

        async def listen(began):
            for _ in range(began):
                await asyncio.sleep(0)
            heard: list[ChannelEvent] = []
            while len(heard) < len(expected):
                page = await poll(channels, len(heard) - 1, wait_s=10)
                assert page, "an event was missed"
                heard += page
            return heard

        listeners = [asyncio.create_task(listen(began)) for began in (0, 5, 20)]
        for told, pause in zip(history, pauses, strict=True):
            await append(log, told)
            for _ in range(pause):
                await asyncio.sleep(0)
        for heard in await asyncio.gather(*listeners):
            assert heard == expected
        assert channels.waiting == 0
        channels.close()

    with mock.patch.multiple(module, **BOUNDS):
        asyncio.run(play())


@given(histories, st.integers(0, 12), st.integers(0, 3))
def test_the_next_event_is_the_first_that_is_appended_after_the_poll_came(history, turns, aside):
    async def play():
        log = SlowLog()
        channels = opened(log)
        for told in history:
            await append(log, told)
        waiting = asyncio.create_task(poll(channels, None, wait_s=10))
        await asyncio.sleep(0)
        for _ in range(turns):  # the channel is being read, or is at its end
            await asyncio.sleep(0)
        for _ in range(aside):
            await append(log, 0)
        await append(log, 2)
        await append(log, 1)
        number = len(told_by(history))
        position = len(history) + aside + 1
        assert await waiting == [ChannelEvent("told", [position, 0], number)]
        channels.close()

    with mock.patch.multiple(module, **BOUNDS):
        asyncio.run(play())


async def test_channels_that_nobody_watches_are_forgotten_beyond_a_bound():
    """Memory goes with those who wait; what was forgotten is read from the log again."""
    log = MemoryLog()
    with mock.patch.object(module, "RESTED_MAX", 2):
        channels = opened(log)
        for number in range(5):
            stream = f"thing/{number}"
            await log.append(wish(stream, data=[1]))
            [told] = await channels.poll(stream, tell, -1, 0, lambda: False)
            assert told.number == 0
        assert len(channels._rested) == 2
        assert not channels._watched
        assert await channels.poll("thing/0", tell, -1, 0, lambda: False)
        assert not await channels.poll("thing/unknown", tell, -1, 0, lambda: False)
        assert "thing/unknown" not in channels._rested
    channels.close()


async def test_a_poll_that_is_cut_off_while_it_reads_leaves_the_channel_whole():
    log = SlowLog()
    channels = opened(log)
    for _ in range(20):
        await append(log, 1)
    expected = told_by([1] * 20)
    for turns in range(12):
        cut = asyncio.create_task(poll(channels, -1, wait_s=60))
        for _ in range(turns):
            await asyncio.sleep(0)
        cut.cancel()
        await asyncio.gather(cut, return_exceptions=True)
        assert not channels._watched
        assert await poll(channels, -1) == expected
    channels.close()
