"""What is undone when somebody gives up: whole, though he is cancelled once more meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def undone(work: Coroutine[Any, Any, object]) -> None:
    """Do the work to its end, which must come by itself; who is cancelled is told so then."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as again:
            cancelled = again
    task.result()
    if cancelled is not None:
        raise cancelled
