"""Browsers that nobody wants any more: each gives back what it had, also what nobody has yet."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.async_api import Error

from eventstore.errors import ArtifactTooLarge
from sessions.browser_files import Files
from sessions.browser_life import Life, Limits
from sessions.caller import SERVICE
from sessions.dialects.notte import debug_sockets
from sessions.runtimes.browser import runtime
from sessions.runtimes.browser.addresses import allowed
from sessions.runtimes.browser.availability import Found
from sessions.runtimes.browser.context import Room
from sessions.runtimes.browser.guard import Guard
from sessions.runtimes.browser.port import BrowserFailed, Ending, Wanted
from sessions.runtimes.browser.runtime import Chromium
from sessions.runtimes.browser.sweep import make_folders, scratch_folder
from tests.support.giving_up import given_up, turns
from tests.support.process import eventually

WAIT_S = 60.0
OVER = Ending(reason="requested", detail="the test is over")


class Page:
    """A page and its context."""

    pages: tuple[()] = ()

    def on(self, _: str, __: Any) -> None:
        pass

    def is_closed(self) -> bool:
        return False


async def test_a_room_that_is_nobodys_goes_with_its_chromium() -> None:
    guard = Guard(allowed(""))
    page: Any = Page()
    home: Any = SimpleNamespace(
        ended=asyncio.get_running_loop().create_future(), rooms=0, served=0, fit=True
    )
    door = await guard.door()
    room = Room(home, door, page, page, "id")
    assert home.rooms == 1
    home.ended.set_result(OVER)
    await eventually(lambda: not home.rooms, WAIT_S, "the end of the room")
    assert not door.living
    await room.stop()
    assert home.rooms == 0
    await guard.close()


class Spare:
    """A room that waits, whose context takes its time or refuses."""

    alive = True

    def __init__(self, error: Exception | None = None) -> None:
        self.context = self
        self.stopped = False
        self._error = error

    async def set_extra_http_headers(self, _: dict[str, str]) -> None:
        await turns(3)
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        await turns(3)
        self.stopped = True


async def test_a_spare_that_is_given_up_on_its_way_out_is_closed(tmp_path: Path) -> None:
    browsers: Any = Chromium(tmp_path, Guard(allowed("")))
    wanted = Wanted(id="one", folder=tmp_path, headers={"a": "b"})
    spare = Spare()

    def spare_of(error: Exception | None = None) -> Spare:
        nonlocal spare
        spare = Spare(error)
        browsers._pool = SimpleNamespace(take=lambda _: spare)
        return spare

    async def taken() -> Any:
        spare_of()
        return await browsers._from_pool(wanted)

    async def it_is_closed(steps: int) -> None:
        assert spare.stopped or steps == 0, f"after {steps} steps"

    assert await given_up(taken, it_is_closed) is spare
    assert not spare.stopped
    refusing = spare_of(Error("the context is gone"))
    assert await browsers._from_pool(wanted) is None
    assert refusing.stopped


class Leaving:
    """A browser that takes its time to close."""

    def __init__(self) -> None:
        self.closed = False
        self.ended = asyncio.Event().wait

    async def close(self) -> None:
        await turns(50)
        self.closed = True


async def test_the_end_of_all_waits_for_each_browser(tmp_path: Path) -> None:
    browsers: Any = Chromium(tmp_path, Guard(allowed("")))
    browser = Leaving()
    browsers._browsers.add(browser)
    browsers._keep(asyncio.create_task(browsers._until_ended(browser)))
    await turns(1)
    await browsers.close()
    assert browser.closed


class Ports:
    """What is kept back from pages."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        self.keep_back, self.give_back = self.kept.add, self.kept.discard


async def test_the_port_of_a_chromium_that_did_not_come_up_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: Any) -> None:
        given[-1](4_000)
        assert guard.kept == {4_000}
        raise BrowserFailed("it does not answer")

    guard: Any = Ports()
    monkeypatch.setattr(runtime, "raise_host", fails)
    browsers: Any = Chromium(tmp_path, guard)
    browsers._found, browsers._cover = Found(program="x", version="1", sandbox=True), ()
    with pytest.raises(BrowserFailed, match="does not answer"):
        await browsers._host()
    assert guard.kept == set()


async def test_a_service_that_ends_waits_for_the_folders_it_was_about_to_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, released = threading.Event(), threading.Event()

    def slowly(*given: Any) -> None:
        begun.set()
        # Where nobody waits for this, it comes after the end.
        released.wait(0.5)
        make_folders(*given)

    monkeypatch.setattr(runtime, "make_folders", slowly)
    browsers: Any = Chromium(tmp_path, Guard(allowed("")))
    browsers._found, release = (
        Found(program="x", version="1", sandbox=True),
        browsers._scratch.release,
    )

    def released_now() -> None:
        release()
        released.set()

    browsers._scratch.release = released_now
    starting = asyncio.create_task(browsers.start(Wanted(id="one", folder=tmp_path / "one")))
    await eventually(begun.is_set, WAIT_S, "the folders are on their way")
    await browsers.close()
    with pytest.raises(BrowserFailed, match="service is ending"):
        await starting
    await asyncio.get_running_loop().shutdown_default_executor()
    assert browsers._scratch._descriptor == -1
    assert not scratch_folder(tmp_path).exists()


async def test_a_socket_that_is_cut_off_as_it_begins_leaves_no_coroutine() -> None:
    ended = asyncio.Event()

    async def served() -> debug_sockets.Leave:
        return await debug_sockets._first(
            debug_sockets._until(ended.wait, debug_sockets.ENDED),
            debug_sockets._until(partial(turns, 3), debug_sockets.GONE),
        )

    async def nothing(_: int) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}

    assert await given_up(served, nothing) is debug_sockets.GONE


async def test_a_download_that_cannot_be_kept_is_not_left_open(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    (folder / "downloads").mkdir(parents=True)
    path = folder / "downloads" / "large"
    path.write_bytes(bytes(1 << 20))
    opened = []

    async def keep(_: str, piece: Any, *__: Any, **___: Any) -> None:
        data: AsyncIterable[bytes] = piece.data
        async for _part in data:
            opened.append(is_open(path))
            raise ArtifactTooLarge("more than 1 byte")

    book: Any = SimpleNamespace(keep=keep)
    life = Life("one", folder, None, SERVICE)
    assert await Files(book, tmp_path, Limits()).collect(life, SERVICE) == ()
    assert opened == [True]
    assert not is_open(path)


def is_open(path: Path) -> bool:
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if fd.readlink() == path:
                return True
    return False
