"""A Chromium and its contexts that are given up on their way: at no step is anything left."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions.runtimes.browser import host
from sessions.runtimes.browser.argv import Launch
from sessions.runtimes.browser.driver import Driver
from sessions.runtimes.browser.host import Patience, raise_host
from sessions.runtimes.browser.new_context import new_context
from sessions.runtimes.browser.port import Ending
from sessions.runtimes.browser.process import ChromiumProcess
from tests.support.browsers import needs_chromium
from tests.support.giving_up import given_up, turns
from tests.support.process import eventually

WAIT_S = 60.0
OVER = Ending(reason="requested", detail="the test is over")


class Contexts:
    """A browser whose driver makes contexts also for who has gone away meanwhile."""

    def __init__(self) -> None:
        self.open = 0

    async def new_context(self, **_: Any) -> Any:
        made = asyncio.get_running_loop().create_future()
        driven = asyncio.create_task(self._drive(made))
        driven.add_done_callback(lambda _: None)
        return await made

    async def _drive(self, made: asyncio.Future[Any]) -> None:
        await turns(5)
        self.open += 1
        if not made.done():
            made.set_result(self)

    async def close(self) -> None:
        await turns(3)
        self.open -= 1


async def test_a_context_that_nobody_waits_for_any_more_is_closed() -> None:
    browser: Any = Contexts()

    async def none_is_left(steps: int) -> None:
        await turns(20)
        assert browser.open == 0, f"after {steps} steps"

    await given_up(lambda: new_context(browser), none_is_left)
    assert browser.open == 1


class Sessions:
    """What is asked of the browser before it is anybody's."""

    version = "1"

    def on(self, _: str, __: Any) -> None:
        pass

    async def new_browser_cdp_session(self) -> Any:
        await turns(2)
        return self

    async def send(self, _: str) -> dict[str, Any]:
        await turns(2)
        return {"userAgent": "one"}

    async def detach(self) -> None:
        await turns(1)


@pytest.mark.parametrize("times", [1, 6])
async def test_a_chromium_that_is_given_up_leaves_nothing(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[ChromiumProcess] = []

    async def connect_over_cdp(*_: Any, **__: Any) -> Any:
        await turns(2)
        return Sessions()

    async def playwright() -> Any:
        await turns(4)
        return SimpleNamespace(chromium=SimpleNamespace(connect_over_cdp=connect_over_cdp))

    async def launch(*_: Any) -> tuple[ChromiumProcess, str]:
        begun.append(ChromiumProcess(["sleep", "1000"]))
        return begun[-1], "ws://127.0.0.1:1/x"

    async def at_once(work: Callable[[], None]) -> None:
        work()

    # So that the number of turns is the same on each host.
    monkeypatch.setattr(host, "to_its_end", at_once)
    monkeypatch.setattr(host, "launch", launch)
    folders = (tmp_path / "profile", tmp_path / "scratch")
    driver: Any = SimpleNamespace(playwright=playwright)
    how = Launch(program="", sandbox=False, shared_memory=False)

    async def nothing_is_left(steps: int) -> None:
        assert all(process.died.done() for process in begun), f"after {steps} steps"
        assert not any(folder.exists() for folder in folders), f"after {steps} steps"

    raised = await given_up(
        lambda: raise_host(driver, how, folders, Patience(), lambda _: None),
        nothing_is_left,
        times=times,
    )
    raised.end(OVER)
    await raised.gone()


class Slow(type(Path())):  # type: ignore[misc]
    """A folder that is made a while after that was begun."""

    begun = threading.Event()

    def mkdir(self, *given: Any, **how: Any) -> None:
        self.begun.set()
        threading.Event().wait(0.2)
        super().mkdir(*given, **how)


async def test_a_folder_that_comes_late_goes_all_the_same(tmp_path: Path) -> None:
    folder: Path = Slow(tmp_path / "profile")
    driver: Any = SimpleNamespace(playwright=asyncio.Event().wait)
    how = Launch(program="", sandbox=False, shared_memory=False)
    raising = asyncio.create_task(
        raise_host(driver, how, (folder, folder), Patience(), lambda _: None)
    )
    await eventually(Slow.begun.is_set, WAIT_S, "the folder is on its way")
    raising.cancel()
    await asyncio.wait({raising})
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not (tmp_path / "profile").exists()


@needs_chromium
async def test_a_driver_that_came_just_as_its_caller_went_is_the_next_ones(tmp_path: Path) -> None:
    driver: Any = Driver(tmp_path, WAIT_S, lambda: None)
    asking = asyncio.create_task(driver.playwright())
    await turns(2)
    driver._starting.add_done_callback(lambda _: asking.cancel())
    with pytest.raises(asyncio.CancelledError):
        await asking
    first = driver.pid
    assert first
    await driver.playwright()
    assert driver.pid == first
    await driver.close()
    assert not Path(f"/proc/{first}").exists()
