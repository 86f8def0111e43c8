"""Why a machine is no more, from what its QEMU said and how the process ended."""

from __future__ import annotations

from typing import Final

from projections.events.status import Reason
from sessions.runtimes.exit_codes import how_it_ended
from sessions.runtimes.vm.port import Ending

# A guest that panics, or whose agent ended, resets itself; QEMU is told not to start again.
_SAID: Final[dict[str, tuple[Reason, str]]] = {
    "guest-shutdown": ("finished", "the guest powered itself off"),
    "guest-reset": ("runtime_failed", "the guest gave up: a panic, or the end of its agent"),
    "guest-panic": ("runtime_failed", "the kernel of the guest panicked"),
}

STOPPED: Final = Ending(reason="requested", detail="the machine was stopped")
SUSPENDED: Final = Ending(reason="requested", detail="the machine was suspended")
SILENT: Final = Ending(reason="runtime_lost", detail="the machine no longer answered")
CUT_OFF: Final = Ending(reason="runtime_lost", detail="the agent in the machine broke off")


def silent_for(disk_trouble: str) -> Ending:
    """The ending of a machine that no longer answers; QEMU holds one that it cannot write for."""
    if not disk_trouble:
        return SILENT
    return Ending(reason="runtime_lost", detail=f"the disk of the host failed: {disk_trouble}")


def ending_of(code: int, said: str, last_words: str) -> Ending:
    """The ending of a machine that nobody asked to end; `code` is negative for a signal."""
    if said in _SAID and code == 0:
        reason, detail = _SAID[said]
        return Ending(reason=reason, detail=detail, exit_code=code)
    line = (last_words.splitlines() or [""])[-1]
    detail = ": ".join(part for part in (f"QEMU ended: {how_it_ended(code)}", line) if part)
    return Ending(
        reason="runtime_lost" if code <= 0 else "runtime_failed", detail=detail, exit_code=code
    )
