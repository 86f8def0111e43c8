"""Files on their way in or out are closed and gone, wherever their caller is cut off."""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from eventstore.artifacts import ArtifactStore, Incoming
from sessions.artifacts import Artifacts, opened

UNUSED: Any = None
OWNER = "01a200a3-4bc9-74da-9f5a-33d114fc16b0"


class SlowStore(ArtifactStore):
    """One whose files open when the test wants."""

    def __init__(self, folder):
        super().__init__(folder)
        self.asked = threading.Event()
        self.go = threading.Event()
        self.opened = []

    def receive(self, bytes_max):
        return self._slowly(super().receive(bytes_max))

    def read(self, session_id, sha256):
        return self._slowly(super().read(session_id, sha256))

    def _slowly(self, made):
        self.asked.set()
        self.opened.append(made)
        assert self.go.wait(10)
        return made


async def never():
    await asyncio.Event().wait()
    yield b""


async def cut_off(store, waiting):
    assert await asyncio.to_thread(store.asked.wait, 60)
    waiting.cancel()
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_is_cut_off_while_its_file_opens_leaves_none(tmp_path):
    store = SlowStore(tmp_path)
    artifacts = Artifacts(store, UNUSED, UNUSED, UNUSED, 10)

    async def receive():
        async with artifacts.receive(never()):
            pytest.fail("it was cut off before")

    await cut_off(store, asyncio.create_task(receive()))
    assert list((store.path / ".incoming").iterdir()) == []
    assert store.opened[0]._file.closed


async def test_what_is_cut_off_while_it_opens_a_kept_file_closes_it(tmp_path):
    store = SlowStore(tmp_path)
    incoming = Incoming(tmp_path / "incoming", 10)
    incoming.write(b"bytes")
    incoming.finish()
    store.path.mkdir()
    (store.path / ".incoming").mkdir()
    store.keep(OWNER, incoming)

    async def read():
        async with opened(store, OWNER, hashlib.sha256(b"bytes").hexdigest()):
            pytest.fail("it was cut off before")

    await cut_off(store, asyncio.create_task(read()))
    assert store.opened[0].closed


async def test_what_is_cut_off_twice_while_all_threads_are_busy_leaves_no_file(tmp_path):
    store = SlowStore(tmp_path)
    store.go.set()
    artifacts = Artifacts(store, UNUSED, UNUSED, UNUSED, 10)
    loop = asyncio.get_running_loop()
    busy = threading.Event()
    receives = asyncio.Event()

    async def parts():
        receives.set()
        await asyncio.Event().wait()
        yield b""

    async def receive():
        async with artifacts.receive(parts()):
            pytest.fail("it was cut off before")

    with ThreadPoolExecutor(1) as executor:
        loop.set_default_executor(executor)
        receiving = asyncio.create_task(receive())
        await receives.wait()
        executor.submit(busy.wait, 60)
        for _ in range(2):
            receiving.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        busy.set()
        await asyncio.wait({receiving})
    assert receiving.cancelled()
    assert store.opened[0]._file.closed
    assert list((store.path / ".incoming").iterdir()) == []
