"""The process of a machine: what it is called, and what its failure is."""

from __future__ import annotations

from typing import ClassVar

from sessions.runtimes.process import WatchedProcess
from sessions.runtimes.vm.port import MachineFailed


class Process(WatchedProcess):
    """QEMU, watched and killed by its pidfd."""

    called: ClassVar[str] = "QEMU"
    failure: ClassVar[type[Exception]] = MachineFailed
