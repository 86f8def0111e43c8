"""What is undone is undone whole, however often somebody is told to stop."""

import asyncio

import pytest

from sessions.runtimes.undoing import undone


@pytest.mark.parametrize("cancels", [0, 1, 3])
async def test_the_work_comes_to_its_end_and_the_cancellation_is_told_then(cancels):
    go, done = asyncio.Event(), []

    async def work():
        await go.wait()
        done.append("undone")

    waiting = asyncio.create_task(undone(work()))
    for _ in range(cancels):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    go.set()
    await asyncio.wait({waiting})
    assert (done, waiting.cancelled()) == (["undone"], cancels > 0)


async def test_what_goes_wrong_is_told():
    async def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone(work())
