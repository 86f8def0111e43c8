"""Whatever a runtime does wrong at whatever step, nothing is stuck and nothing is left behind."""

import random

import pytest

from eventstore.memory import MemoryLog
from sessions.machine_life import Limits
from tests.support.machine_crash import (
    check,
    every_session_goes_on,
    settled,
    use_everything,
)
from tests.support.machine_service import QUICK, opened
from tests.support.scripted_machines import STEPS, Act, Script, ScriptedMachines

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
    log, runtime = MemoryLog(), ScriptedMachines(script(seed))
    async with opened(tmp_path, log, runtime, limits=QUICK) as service:
        await use_everything(service)
        await settled(service)
        await check(service, disk=False)
    assert not runtime.running
    after = ScriptedMachines(disk=runtime.disk)
    # Nothing hangs any more: whatever takes long has only to wait for a busy machine.
    async with opened(tmp_path, log, after, limits=Limits()) as service:
        await settled(service)
        await check(service)
        await every_session_goes_on(service)
        await settled(service)
        await check(service)


@pytest.mark.parametrize("seed", [3, 8, 21])
async def test_a_runtime_that_fails_leaves_nothing_stuck(tmp_path, seed):
    await survives(tmp_path, seed)


@pytest.mark.slow(reason="many uses of everything, with machines that let their time-outs pass")
@pytest.mark.parametrize("seed", range(100, 220))
async def test_a_runtime_that_fails_in_any_way_leaves_nothing_stuck(tmp_path, seed):
    await survives(tmp_path, seed)
