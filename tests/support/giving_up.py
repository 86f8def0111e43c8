"""Work that is given up after each number of turns of the loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.garbage import young


async def turns(count: int) -> None:
    """Let the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


async def given_up(
    work: Callable[[], Awaitable[Any]], after: Callable[[int], Awaitable[None]], *, times: int = 1
) -> Any:
    """What comes of it when it is let be; before, it is given up after each number of turns.

    It is cancelled so many `times`, a turn apart, and `after` is told the number once it has ended.
    """
    steps = 0
    with young():
        while True:
            task = asyncio.ensure_future(work())
            await turns(steps)
            if task.done():
                assert steps > 1
                return await task
            for _ in range(times):
                task.cancel()
                await turns(1)
            await asyncio.wait({task})
            assert task.cancelled()
            # Of a coroutine that was never awaited it complains, which fails this test.
            gc.collect()
            await after(steps)
            steps += 1
