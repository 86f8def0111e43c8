"""Work in a thread ends before its caller does, however the caller is treated."""

import asyncio
import threading

import pytest

from sessions.runtimes.in_thread import to_its_end


async def test_what_the_work_gives_or_raises():
    assert await to_its_end(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await to_its_end(lambda: 1 // 0)


@pytest.mark.parametrize("cancels", [1, 3])
async def test_who_is_cancelled_waits_and_what_was_made_is_undone(cancels):
    go = threading.Event()
    undone: list[str] = []

    def work():
        go.wait(60)
        return "made"

    waiting = asyncio.create_task(to_its_end(work, undone.append))
    for _ in range(cancels):
        await asyncio.sleep(0.01)
        waiting.cancel()
    await asyncio.sleep(0.01)
    assert (waiting.done(), undone) == (False, [])
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert undone == ["made"]


async def test_nothing_is_undone_of_work_that_failed():
    go = threading.Event()

    def work():
        go.wait(60)
        raise ValueError

    undone: list[None] = []
    waiting = asyncio.create_task(to_its_end(work, undone.append))
    await asyncio.sleep(0.01)
    waiting.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert undone == []
