"""What a program prints, as far as somebody wants it; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sessions.runtimes.vm.frames import Said
from sessions.runtimes.vm.port import MachineFailed, Outcome

WINDOW: Final = 512 * 1024
"""Bytes that a program may print before the host has taken any."""


class Printing:
    """Collects at most `most` bytes of each output and gives credit back for all that came."""

    def __init__(self, most: int, give: Callable[[int], None]) -> None:
        self._most = most
        self._give = give
        self._owed = 0
        self._kept = {"out": bytearray(), "err": bytearray()}

    def heard(self, said: Said, payload: bytes) -> None:
        """Some output."""
        kept = self._kept.get(said.ev)
        if kept is None:
            return
        kept += payload[: self._most - len(kept)]
        self._owed += len(payload)
        if self._owed >= WINDOW // 2:
            self._give(self._owed)
            self._owed = 0

    def failed(self, error: MachineFailed) -> None:
        """Whoever waits for the end of the program is told without this."""

    def outcome(self, said: Said) -> Outcome:
        """All of it, now that the program has ended."""
        out, err = bytes(self._kept["out"]), bytes(self._kept["err"])
        return Outcome(
            exit_code=said.exit_code,
            stdout=out,
            stderr=err,
            stdout_bytes=max(said.stdout_bytes, len(out)),
            stderr_bytes=max(said.stderr_bytes, len(err)),
            timed_out=said.timed_out,
            duration_ms=said.duration_ms,
            cpu_ms=said.cpu_ms,
        )
