"""Whatever browsers do wrong at whatever step, nothing is stuck and nothing is left behind."""

import random

import pytest

from eventstore.memory import MemoryLog
from tests.support.browser_crash import (
    ROOM,
    check,
    every_session_goes_on,
    settled,
    use_everything,
)
from tests.support.browser_service import QUICK, opened, room_for
from tests.support.script import Act
from tests.support.scripted_browsers import STEPS, Script, ScriptedBrowsers

ACTS: tuple[Act, ...] = ("ok", "ok", "ok", "fail", "hang", "die", "unavailable")
LATER = 6
"""How often a step may go wrong, one after the other."""


def script(seed):
    """A script that is wrong at some times of some steps."""
    chance = random.Random(seed)
    made = Script()
    for step in chance.sample(STEPS, k=chance.randint(1, 4)):
        acts = [chance.choice(ACTS) for _ in range(chance.randint(1, LATER))]
        made.then(step, *acts)
    return made


async def survives(tmp_path, seed):
    log, runtime = MemoryLog(), ScriptedBrowsers(script(seed))
    async with opened(tmp_path, log, runtime, limits=QUICK, budget=room_for(ROOM)) as service:
        await use_everything(service)
        await settled(service)
        await check(service)
    assert not runtime.running
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
        await settled(service)
        await check(service)
        await every_session_goes_on(service)
        await settled(service)
        await check(service)


@pytest.mark.parametrize("seed", [3, 8, 21])
async def test_browsers_that_fail_leave_nothing_stuck(tmp_path, seed):
    await survives(tmp_path, seed)


@pytest.mark.slow(reason="many uses of everything, with browsers that let their time-outs pass")
@pytest.mark.parametrize("seed", range(100, 220))
async def test_browsers_that_fail_in_any_way_leave_nothing_stuck(tmp_path, seed):
    await survives(tmp_path, seed)
