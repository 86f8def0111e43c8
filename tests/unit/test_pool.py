"""What waits warm is ended with the service, whatever became of the filling."""

import asyncio

from sessions.runtimes.pool import WarmPool
from tests.support.process import eventually

WAIT_S = 60


class Spare:
    def __init__(self):
        self.alive = True

    async def stop(self):
        self.alive = False


async def test_spares_are_ended_also_where_the_filling_broke():
    made: list[Spare] = []

    async def make(_):
        if made:
            raise ZeroDivisionError
        made.append(Spare())
        return made[0]

    pool = WarmPool({1: 2}, make, lambda: False, print, RuntimeError)
    pool.start()
    filling = pool._filling
    assert filling is not None
    await eventually(filling.done, WAIT_S, "the end of the filling")
    await pool.close()
    assert [spare.alive for spare in made] == [False]
    assert pool.count == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
