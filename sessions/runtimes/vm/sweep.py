"""What a service that was killed left of its machines: processes with its tag, found and ended."""

from __future__ import annotations

from collections.abc import Sequence

from sessions.runtimes.leftovers import Recognised, end_processes, processes
from sessions.runtimes.vm.argv import QEMU


def machine_name(tag: str, machine: str) -> str:
    """The name that QEMU is given."""
    return f"sessiond-{tag}-{machine}"


def orphans(tag: str) -> list[int]:
    """The ids of processes that run machines of this data folder. Blocks."""
    return processes(_runs(tag))


def end_orphans(tag: str) -> int:
    """End them, when no machine of ours runs yet; how many there were. Blocks."""
    return end_processes(_runs(tag))


def _runs(tag: str) -> Recognised:
    prefix = machine_name(tag, "").encode()

    def recognised(words: Sequence[bytes]) -> bool:
        # Before it becomes QEMU it is one of the programs that shut it in, with the same arguments.
        names = {word.rpartition(b"/")[2] for word in words}
        if QEMU.encode() not in names or b"-name" not in words:
            return False
        return words[words.index(b"-name") + 1].startswith(prefix)

    return recognised
