"""An erasure that was interrupted is finished, whenever it was interrupted."""

import asyncio
from typing import Any

from eventstore.errors import StorageUnavailable
from eventstore.vault import Erasure
from sessions.caller import SERVICE
from sessions.erasure import Erasures

UNUSED: Any = None
WAIT_S = 60


class Noted:
    """A vault that remembers what is to be erased, and takes its time to say so."""

    def __init__(self):
        self.left = []
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def erase(self, erasure):
        self.left.append(erasure)

    async def finish(self, subject):
        self.left = [each for each in self.left if each.subject != subject]

    async def unfinished(self):
        left = list(self.left)
        self.asked.set()
        await self.go.wait()
        return left


async def test_one_that_is_interrupted_while_others_are_finished_is_finished_next():
    vault: Any = Noted()
    done = asyncio.Event()
    refused = False

    async def once_refused(_, __):
        nonlocal refused
        if not refused:
            refused = True
            raise StorageUnavailable("full")
        done.set()

    erasures = Erasures(UNUSED, vault, UNUSED, once_refused)
    running = asyncio.create_task(erasures.run())
    await vault.asked.wait()
    try:
        await erasures._begin(Erasure("catalog/one", "user", "default"), SERVICE)
    except StorageUnavailable:
        vault.go.set()
    async with asyncio.timeout(WAIT_S):
        await done.wait()
    running.cancel()
    await asyncio.wait({running})
