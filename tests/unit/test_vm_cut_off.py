"""What works on the folders of machines has ended when its caller is cut off."""

import asyncio
import threading

import pytest

from sessions.runtimes.vm import image, runtime
from sessions.runtimes.vm.runtime import Qemu

WAIT_S = 60


class Slow:
    """Work in a thread that ends when the test wants, and looks at something then."""

    def __init__(self, look):
        self.began = threading.Event()
        self.go = threading.Event()
        self.seen = None
        self._look = look

    def __call__(self, *given):
        self.began.set()
        assert self.go.wait(WAIT_S)
        self.seen = self._look(*given)


async def cut_off(slow, work):
    """Cut the work off while the thread is at it, and let that end when the caller has waited."""
    working = asyncio.create_task(work)
    assert await asyncio.to_thread(slow.began.wait, WAIT_S)
    working.cancel()
    await asyncio.wait({working}, timeout=0.1)
    waits = not working.done()
    slow.go.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert waits


async def test_nothing_is_looked_for_any_more_once_opening_was_cut_off(tmp_path, monkeypatch):
    slow = Slow(lambda _: 0)
    monkeypatch.setattr(runtime, "end_orphans", slow)
    qemu = Qemu(tmp_path, tmp_path)
    await cut_off(slow, qemu.open())
    assert slow.seen == 0
    await qemu.close()


async def test_an_image_has_its_place_or_not_before_its_room_is_cleared(tmp_path, monkeypatch):
    async def built(*_):
        return None

    slow = Slow(lambda _, target, __: target.is_dir())
    monkeypatch.setattr(image, "_run_builder", built)
    monkeypatch.setattr(image, "_publish", slow)
    (tmp_path / "images").mkdir()
    await cut_off(slow, image._build(tmp_path, print, None, None, -1))
    assert slow.seen
    assert list((tmp_path / "images").iterdir()) == []
