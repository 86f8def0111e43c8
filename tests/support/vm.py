"""Real machines for tests: one cache for all runs, and nothing of any machine left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from sessions.runtimes.leftovers import tag_of
from sessions.runtimes.vm.image import default_cache
from sessions.runtimes.vm.machine import Patience, QemuMachine
from sessions.runtimes.vm.port import Outcome, Program, Wanted
from sessions.runtimes.vm.programs import TO_BUILD, TO_DOWNLOAD, TO_RUN, missing, packages_of
from sessions.runtimes.vm.runtime import Qemu
from sessions.runtimes.vm.sweep import machine_name, orphans
from tests.support.process import eventually
from tests.support.vm_traces import groups_in, groups_named

OUTPUT_MAX: Final = 1 << 20
CACHE: Final = default_cache()

QUICK: Final = Patience(ping_every_s=0.2, ping_s_max=5.0, misses_max=2)
"""So that a test need not wait long for a machine to count as lost; a busy one answers by then."""

PATIENT: Final = Patience(ping_every_s=2.0, ping_s_max=20.0, misses_max=3)
"""So that a busy host is not taken for a dead machine."""

_GONE_S: Final = 60.0
_PROGRAM_S: Final = 200.0


def needs_qemu() -> None:
    """Skip the test where machines cannot be made, with what to install."""
    absent = missing({**TO_RUN, **TO_BUILD, **TO_DOWNLOAD})
    if absent:
        pytest.skip(f"no {', '.join(absent)}: apt-get install {' '.join(packages_of(absent))}")


class Traces:
    """What machines of a data folder could leave behind, counted before and after."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._tag = tag_of(data)
        self._descriptors = _descriptors()

    def processes(self) -> list[int]:
        """Every process of a machine of this folder."""
        return orphans(self._tag)

    def groups(self) -> list[Path]:
        """The control groups of this folder's machines."""
        name = machine_name(self._tag, "").rstrip("-")
        return [path for parent in groups_named(name) for path in groups_in(parent)]

    async def gone(self) -> None:
        """Return when nothing is left but what was there before; fails after a while."""
        await eventually(lambda: not self._left(), _GONE_S, f"the end of {self._left()}")

    def _left(self) -> dict[str, Any]:
        run = self._data / "machines" / "run"
        unfinished = self._data.glob("machines/kept/.*")
        left = {
            "processes": self.processes(),
            "files": [*(run.iterdir() if run.exists() else ()), *unfinished],
            "groups": self.groups(),
            "descriptors": [each for each in _descriptors() if each not in self._descriptors],
        }
        return {name: found for name, found in left.items() if found}


@contextlib.asynccontextmanager
async def machines(data: Path, cache: Path = CACHE, **how: Any) -> AsyncIterator[Qemu]:
    """Machines of that data folder; when it is left, so has everything of them."""
    needs_qemu()
    # Once, so that what the interpreter opens for good is not taken for something left behind.
    await asyncio.to_thread(os.getpid)
    traces = Traces(data)
    how.setdefault("patience", PATIENT)
    qemu = Qemu(data, cache, **how)
    try:
        yield qemu
    finally:
        await qemu.close()
    await traces.gone()


def cache() -> Path:
    """Where image and templates stay from one test run to the next."""
    return CACHE


async def start(qemu: Qemu, name: str = "one", **wanted: Any) -> QemuMachine:
    """A small machine that answers."""
    asked = Wanted(**{"id": f"vmid-{name}", "vcpu_count": 1, "memory_mb": 128, **wanted})
    return await qemu.start(asked, lambda _: None)


async def bash(machine: QemuMachine, code: str, timeout_s: float = _PROGRAM_S) -> Outcome:
    """Run a line of bash."""
    program = Program(code=code, language="bash", timeout_s=timeout_s)
    return await machine.execute(program, OUTPUT_MAX)


async def python(machine: QemuMachine, code: str, timeout_s: float = _PROGRAM_S) -> Outcome:
    """Run some python."""
    program = Program(code=code, language="python", timeout_s=timeout_s)
    return await machine.execute(program, OUTPUT_MAX)


async def said(outcome: Any) -> str:
    """What a program that went well printed, without the end of the line."""
    done = await outcome
    assert (done.exit_code, done.stderr) == (0, b""), done
    return str(done.stdout.decode().rstrip("\n"))


def _descriptors() -> list[str]:
    return sorted(_targets())


def _targets() -> Iterator[str]:
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the listing itself is a descriptor
        with contextlib.suppress(OSError):
            # Sockets and pipes are told apart by their numbers.
            yield os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
