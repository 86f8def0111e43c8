"""A process is watched to its end, and never waited for in vain."""

import asyncio
import os
import signal
import time

import pytest

from sessions.runtimes.vm.port import MachineFailed
from sessions.runtimes.vm.process import Process


async def test_its_end_and_its_last_words():
    process = Process(["sh", "-c", "echo first; echo last >&2; exit 3"], [])
    assert await process.died == 3
    assert process.last_words == "first\nlast"
    assert process.epitaph() == "exit code 3: last"
    process.kill()


async def test_only_the_end_of_many_words_is_kept():
    process = Process(["sh", "-c", "seq 1 200000; kill -9 $$"], [])
    assert await process.died == -signal.SIGKILL
    assert process.last_words.endswith("\n200000")
    assert len(process.last_words) <= 4096
    assert process.epitaph() == "killed by SIGKILL: 200000"


async def test_a_kill_is_the_end_even_of_one_that_stands_still():
    process = Process(["sleep", "100"], [])
    os.kill(process.pid, signal.SIGSTOP)
    process.kill()
    process.kill()
    assert await process.died == -signal.SIGKILL


async def test_it_has_the_descriptors_it_was_given_and_no_others():
    reading, writing = os.pipe()
    other = os.open("/dev/null", os.O_RDONLY)
    try:
        process = Process(
            ["sh", "-c", f"echo given >/proc/self/fd/{writing}; ls /proc/self/fd"], [writing]
        )
        await process.died
        assert os.read(reading, 10) == b"given\n"
        assert str(other) not in process.last_words.split()
    finally:
        for fd in (reading, writing, other):
            os.close(fd)


async def test_a_program_that_is_not_there():
    with pytest.raises(MachineFailed, match="no-such-program cannot be started"):
        Process(["no-such-program"], [])


@pytest.mark.slow(reason="waits until one that stands still is given up")
async def test_who_should_work_and_stands_still_is_not_waited_for():
    busy = Process(["sh", "-c", "while :; do :; done"], [])
    # Where others are busy too, it may not have its turn for a while.
    with pytest.raises(MachineFailed, match="a sum took more than 5 s"):
        await busy.unless_dead(asyncio.Event().wait(), 5, "a sum", still_s=2)
    os.kill(busy.pid, signal.SIGSTOP)
    with pytest.raises(MachineFailed, match="stands still while a sum is under way"):
        await busy.unless_dead(asyncio.Event().wait(), 60, "a sum", still_s=0.1)
    busy.kill()
    await busy.died


async def test_what_is_awaited_comes_back_unless_the_process_dies_first():
    process = Process(["sleep", "100"], [])
    assert await process.unless_dead(asyncio.sleep(0, "here"), 5, "a nap") == "here"
    with pytest.raises(ZeroDivisionError):
        await process.unless_dead(divide(), 5, "a sum")
    with pytest.raises(MachineFailed, match=r"a nap took more than 0\.01 s"):
        await process.unless_dead(asyncio.Event().wait(), 0.01, "a nap")
    waiting = asyncio.create_task(process.unless_dead(asyncio.Event().wait(), 60, "a nap"))
    await asyncio.sleep(0)
    process.kill()
    with pytest.raises(MachineFailed, match="while a nap was under way: killed by SIGKILL"):
        await waiting
    began = time.monotonic()
    with pytest.raises(MachineFailed, match="killed by SIGKILL"):
        await process.unless_dead(asyncio.Event().wait(), 60, "a nap")
    assert time.monotonic() - began < 30


async def test_whoever_waits_and_is_cancelled_stops_what_was_awaited():
    process = Process(["sleep", "100"], [])
    stopped = asyncio.Event()

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    waiting = asyncio.create_task(process.unless_dead(endless(), 60, "a nap"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert stopped.is_set()
    process.kill()
    await process.died


async def divide():
    return 1 / 0
