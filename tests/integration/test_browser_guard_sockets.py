"""The doors of the guard keep no socket, whenever they are given up or closed."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from sessions.runtimes.browser.addresses import allowed
from sessions.runtimes.browser.guard import Guard
from tests.support.process import eventually


@pytest.fixture
async def guard():
    made = Guard(allowed(""))
    yield made
    await made.close()


def sockets() -> int:
    """How many of them this process holds."""
    held = 0
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            held += str(fd.readlink()).startswith("socket:")
    return held


async def test_a_door_that_is_given_up_on_its_way_leaves_no_socket(guard) -> None:
    before, steps = sockets(), 0
    while True:
        opening = asyncio.create_task(guard.door())
        for _ in range(steps):
            await asyncio.sleep(0)
        if opening.done():
            break
        opening.cancel()
        await asyncio.wait({opening})
        assert opening.cancelled()
        assert sockets() == before, f"after {steps} steps"
        steps += 1
    assert (await opening).living
    assert steps > 1


async def test_a_connection_is_closed_with_its_door_however_young_it_is(guard) -> None:
    before = sockets()
    for steps in range(10):
        door = await guard.door()
        with socket.create_connection(("127.0.0.1", door.port)):
            for _ in range(steps):
                await asyncio.sleep(0)
            await door.close()
            # The near end is this test's own.
            await eventually(lambda: sockets() == before + 1, 60, f"one socket, {steps} steps on")
