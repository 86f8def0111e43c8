"""A service that dies at any append of a machine's life leaves nothing stuck and nothing behind."""

import pytest

from sessions.machine_life import Limits
from tests.support.machine_crash import (
    appends_of_a_use,
    check,
    every_session_goes_on,
    killed_at,
    settled,
)
from tests.support.machine_service import opened
from tests.support.scripted_machines import ScriptedMachines

APPENDS = 80
"""At least as many as a use of everything makes."""
FEW = [4, 7, 16, 27]


async def dies_and_goes_on(tmp_path, at, after):
    log, was = await killed_at(tmp_path, at, after=after)
    runtime = ScriptedMachines(disk=was.disk)
    # Nothing hangs any more: whatever takes long has only to wait for a busy machine.
    async with opened(tmp_path, log, runtime, limits=Limits()) as service:
        await settled(service)
        await check(service)
        await every_session_goes_on(service)
        await settled(service)
        await check(service)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", FEW)
async def test_killed_at_an_append_everything_is_told_and_goes_on(tmp_path, at, after):
    await dies_and_goes_on(tmp_path, at, after)


@pytest.mark.slow(reason="every append of a use, each with a service that dies and a new one")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, APPENDS + 1))
async def test_killed_at_any_append_everything_is_told_and_goes_on(tmp_path, at, after):
    await dies_and_goes_on(tmp_path, at, after)


async def test_the_appends_are_all_of_them(tmp_path):
    assert max(FEW) < await appends_of_a_use(tmp_path) <= APPENDS
