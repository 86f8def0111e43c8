"""What stands below the runtimes of a service, without HTTP: vault, views, follower, sessions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from eventstore.feed import Feed
from eventstore.vault import Vault
from projections.follower import Follower
from projections.views.store import Views
from sessions.service import Sessions


class Standing(NamedTuple):
    """The parts, open."""

    log: Any
    vault: Vault
    views: Views
    follower: Follower
    sessions: Sessions


class Runtimes(contextlib.AsyncExitStack):
    """What is to be closed when the service ends well."""


@contextlib.asynccontextmanager
async def standing(
    folder: Path, log: Any, clock_us: Callable[[], int], *, close: bool
) -> AsyncIterator[tuple[Standing, Runtimes]]:
    """The parts on `log`; without `close` the service ends as a crash ends it."""
    vault = await Vault.open(folder)
    views = await Views.open(folder, "epoch", log.size)
    follower = Follower(log, views)
    await follower.catch_up()
    sessions = Sessions(log, Feed(log), follower, vault, clock_us)
    following = asyncio.create_task(follower.run())
    runtimes = Runtimes()
    try:
        yield Standing(log, vault, views, follower, sessions), runtimes
    finally:
        if close:
            await runtimes.aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        if not close:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        await views.close()
        await vault.close()
