"""One machine without a service: how long its agent takes to run `echo`, asked for by lines.

agent_echo.py FOLDER: says `ready`, then answers each line N with N times in seconds, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from scripts.bench.machine_calls import ECHO, SAID
from sessions.domain.machine_sizes import VCPU_COUNT
from sessions.runtimes.vm.image import default_cache
from sessions.runtimes.vm.port import Machine, Program, Wanted
from sessions.runtimes.vm.runtime import Qemu

_MEMORY_MB = 512
_OUTPUT_MAX = 1 << 20


async def main(folder: Path) -> None:
    """Answer until the end of the input."""
    qemu = Qemu(folder, default_cache(), progress=lambda words: print(words, file=sys.stderr))
    try:
        await qemu.prepare(VCPU_COUNT)
        wanted = Wanted(id="vmid-echo", vcpu_count=VCPU_COUNT, memory_mb=_MEMORY_MB)
        machine = await qemu.start(wanted, lambda _: None)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            times = [await _echo(machine) for _ in range(int(line))]
            print(msgspec.json.encode(times).decode(), flush=True)
    finally:
        await qemu.close()


async def _echo(machine: Machine) -> float:
    began = time.perf_counter()
    program = Program(code=ECHO, language="bash", timeout_s=60.0)
    outcome = await machine.execute(program, _OUTPUT_MAX)
    took = time.perf_counter() - began
    if outcome.stdout != SAID.encode():
        raise RuntimeError(f"echo ended with {outcome}")
    return took


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
