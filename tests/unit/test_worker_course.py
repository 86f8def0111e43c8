"""A command ends with its session, however its worker is told to stop."""

import asyncio
import os
from typing import Any

import pytest

from sessions.runtimes.worker.claim import Claim, Reported
from sessions.runtimes.worker.course import Course
from sessions.runtimes.worker.plan import Plan


class Api:
    """A service that hears reports, and whose poll takes its time to be given up."""

    url = "http://127.0.0.1:1"

    def __init__(self):
        self.started = asyncio.Event()
        self.given_up = asyncio.Event()
        self.go = asyncio.Event()

    async def report(self, *_):
        self.started.set()
        return Reported(status="running", lease_s=60.0)

    async def poll(self, *_):
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()
            await self.go.wait()


@pytest.mark.parametrize("again", [False, True])
async def test_nothing_is_left_of_a_command_whose_worker_is_cancelled(again):
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number is enough
    api: Any = Api()
    claim = Claim(session_id="one", generation=1, lease_s=60.0)
    course = Course(api, claim, Plan(command=["sleep", "1000"], kind="devin", name="a"))
    running = asyncio.create_task(course.run())
    await api.started.wait()
    running.cancel()
    await api.given_up.wait()
    if again:
        running.cancel()
        await asyncio.sleep(0)
    api.go.set()
    await asyncio.wait({running})
    assert running.cancelled()
    assert course._command is not None
    assert course._command.ended.done()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
