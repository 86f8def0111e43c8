"""A browser that is steered by its debugger: the log says so, and the session is in use."""

import pytest

from eventstore.memory import MemoryLog
from sessions.domain.rejections import AlreadyEnded, NotFound
from tests.support.browser_service import opened
from tests.support.machine_service import USER
from tests.support.scripted_browsers import Script, ScriptedBrowsers


@pytest.fixture
async def service(tmp_path):
    async with opened(tmp_path, MemoryLog(), ScriptedBrowsers(Script())) as service:
        yield service


async def test_that_it_is_steered_is_told_at_the_beginning_and_at_the_end(service):
    session = await service.session()
    debugged = await service.browsers.debugged(session, USER)
    assert debugged.folder == service.folder / session
    assert (await service.names(session)).count("browser.attached") == 0
    async with debugged.steered():
        assert (await service.names(session))[-1] == "browser.attached"
        before = (await service.state(session)).active_at
        debugged.calls += 3
    (left,) = await service.told(session, "browser.detached")
    assert left["calls"] == 3
    assert (await service.visit(session)).attached == 1
    assert (await service.state(session)).active_at >= before


async def test_what_ends_while_it_is_steered_ends_well(service):
    session = await service.session()
    debugged = await service.browsers.debugged(session, USER)
    async with debugged.steered():
        await service.browsers.stop(session, USER)
    assert (await service.status(session)) == ("stopped", "requested")
    with pytest.raises(AlreadyEnded):
        await service.browsers.debugged(session, USER)
    with pytest.raises(NotFound):
        await service.browsers.debugged("nobody", USER)
