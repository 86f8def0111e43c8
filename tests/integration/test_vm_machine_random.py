"""Random faults in a row, three at a time, and nothing of any machine left in between."""

import asyncio
import os
import random
import signal

import pytest

from sessions.runtimes.vm.port import MachineError
from tests.support.vm import Traces, bash, machines, python, start

pytestmark = pytest.mark.slow(reason="boots and kills machines, again and again")

ROUNDS = 8
AT_ONCE = 3
SIZES = (128, 512, 2048)


class Chance:
    """One machine that something happens to."""

    def __init__(self, qemu, seed, number):
        self.qemu = qemu
        self.number = number
        self.random = random.Random(seed * 1000 + number)
        self.acts = [self.stopped, self.killed, self.cancelled, self.suspended, self.kept]
        self.acts += [self.busy, self.frozen, self.grown, self.written]

    async def happen(self):
        """Whatever it is; a machine that is gone says so by MachineError and by nothing else."""
        act = self.random.choice(self.acts)
        machine = None
        try:
            if act == self.cancelled:
                await self.cancelled(None)
                return
            machine = await self.start()
            await act(machine)
        except MachineError:
            pass
        finally:
            if machine is not None:
                await machine.stop()
            await self.qemu.forget(self.name)

    @property
    def name(self):
        """What it is kept as."""
        return f"kept-{self.number}"

    def start(self, **more):
        """A machine of some size."""
        memory_mb = self.random.choice(SIZES)
        return start(self.qemu, str(self.number), memory_mb=memory_mb, **more)

    def kill_soon(self, machine, within_s, sometimes=1.0):
        """Kill its process at some time."""
        if self.random.random() < sometimes:
            loop = asyncio.get_running_loop()
            loop.call_later(self.random.random() * within_s, machine._engine.process.kill)

    async def stopped(self, machine):
        await machine.stop()

    async def killed(self, machine):
        os.kill(machine.pid, signal.SIGKILL)
        assert (await machine.ended()).reason == "runtime_lost"

    async def cancelled(self, _):
        starting = asyncio.create_task(self.start())
        await asyncio.sleep(self.random.random() * 0.6)
        starting.cancel()
        await asyncio.wait({starting})
        if not starting.cancelled():
            await starting.result().stop()

    async def suspended(self, machine):
        self.kill_soon(machine, 0.5, 0.5)
        await machine.suspend(self.name)
        later = await self.start(kept=self.name)
        try:
            await bash(later, "echo on")
        finally:
            await later.stop()

    async def kept(self, machine):
        self.kill_soon(machine, 0.5, 0.5)
        await machine.keep(self.name)
        await bash(machine, "echo on")

    async def busy(self, machine):
        self.kill_soon(machine, 0.5)
        await asyncio.gather(bash(machine, "sleep 60"), python(machine, "while True: pass"))

    async def frozen(self, machine):
        os.kill(machine.pid, signal.SIGSTOP)

    async def grown(self, machine):
        self.kill_soon(machine, 0.1, 0.7)
        await machine.resize(8192)

    async def written(self, machine):
        async def body():
            for _ in range(100):
                yield os.urandom(65_536)

        self.kill_soon(machine, 1, 0.7)
        await machine.put("file", body())


async def test_random_faults_leave_nothing(tmp_path):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    async with machines(tmp_path) as qemu:
        await (await start(qemu)).stop()
        traces = Traces(tmp_path)
        for number in range(0, ROUNDS * AT_ONCE, AT_ONCE):
            chances = [Chance(qemu, seed, number + each) for each in range(AT_ONCE)]
            await asyncio.gather(*(chance.happen() for chance in chances))
            await traces.gone()
            assert await qemu.kept() == ()
