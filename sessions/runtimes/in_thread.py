"""Work in a thread that whoever waits for it cannot leave half-done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def _keep(_: Any) -> None:
    """Nothing is to be undone."""


async def to_its_end(work: Callable[[], T], undo: Callable[[T], None] = _keep) -> T:
    """What the work gave; who is cancelled waits for its end all the same.

    A thread cannot be stopped: what it made then is given to `undo`, and what it uses outlives it.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if task.exception() is None:
            undo(task.result())
        raise
