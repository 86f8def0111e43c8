"""A service whose writer has died ends, instead of answering wrongly for ever."""

import asyncio

from sessions.serve import _until


async def for_ever():
    await asyncio.Event().wait()


async def test_a_vital_task_that_ends_breaks_the_service():
    async def broken():
        raise RuntimeError("a listener must not raise")

    idle = asyncio.create_task(for_ever())
    assert await _until(asyncio.Event(), [asyncio.create_task(broken()), idle])
    idle.cancel()


async def test_a_signal_ends_it_in_good_order():
    stop = asyncio.Event()
    idle = asyncio.create_task(for_ever())
    stop.set()
    assert not await _until(stop, [idle])
    idle.cancel()
