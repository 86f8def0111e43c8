"""The service dies at every append of a use of browsers: the next one tells what became of them."""

import pytest

from tests.support.browser_crash import (
    appends_of_a_use,
    check,
    every_session_goes_on,
    killed_at,
    settled,
)
from tests.support.browser_service import opened
from tests.support.scripted_browsers import ScriptedBrowsers

APPENDS = 60
"""At least as many as a use of everything makes."""
FEW = [1, 3, 6, 11, 17, 24]


async def dies_and_goes_on(tmp_path, at, after):
    log = await killed_at(tmp_path, at, after=after)
    async with opened(tmp_path, log, ScriptedBrowsers()) as service:
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
