"""A caller that is cut off at one wait after the other."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any


async def cut_off_at(wait: int, work: Awaitable[Any]) -> bool:
    """Do the work, cancelled when it waits for the so-manieth time, from 0; False if it never did.

    Waits of its tasks do not count.
    """
    return bool(await asyncio.create_task(_cut_off(wait, work)))


async def _cut_off(wait: int, work: Awaitable[Any]) -> bool:
    try:
        await _counted(wait, work)
    except asyncio.CancelledError:
        return True
    return False


@types.coroutine
def _counted(wait: int, work: Awaitable[Any]) -> Generator[Any, Any, Any]:
    inner = work.__await__()
    task = asyncio.current_task()
    assert task is not None
    try:
        waited_for = next(inner)
        while True:
            if wait == 0:
                task.cancel()
            wait -= 1
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - passed on
                waited_for = inner.throw(error)
            else:
                waited_for = next(inner)
    except StopIteration as end:
        return end.value
