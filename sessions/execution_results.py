"""What is known of executions while they run, and for a while after; later the log is asked."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final, Literal

import msgspec

from projections.events.status import Reason
from sessions.runtimes.vm.port import Language

OUTPUT_BYTES_MAX: Final = 4 << 20
"""Of each output of a program."""
LOGGED_BYTES_MAX: Final = 64 << 10
"""Of each output, in the log."""
HELD_BYTES_MAX: Final = 64 << 20
HELD_MAX: Final = 4096

ExecutionStatus = Literal["waiting", "running", "finished", "cut_off"]


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """A program in a machine: `waiting` for one, `running`, `finished`, or `cut_off` before.

    Instants are microseconds since the epoch. `stdout` and `stderr` are what is still there of the
    outputs, the counts how much there was. Of one that was cut off `reason` and `detail` say why,
    and `exit_code` is None.
    """

    id: str
    session: str
    tenant: str
    language: Language
    status: ExecutionStatus
    created_at: int
    vm: str = ""
    timeout_s: float = 0
    started_at: int | None = None
    finished_at: int | None = None
    exit_code: int | None = None
    timed_out: bool = False
    duration_ms: int | None = None
    cpu_ms: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    reason: Reason | None = None
    detail: str = ""

    @property
    def complete(self) -> bool:
        """True once nothing more comes."""
        return self.status in ("finished", "cut_off")

    @property
    def truncated(self) -> bool:
        """True if a part of an output is not there (any more)."""
        kept = len(self.stdout), len(self.stderr)
        return kept != (self.stdout_bytes, self.stderr_bytes)


class Results:
    """The executions of late, within HELD_BYTES_MAX; those that are not complete always."""

    def __init__(self, bytes_max: int = HELD_BYTES_MAX, count_max: int = HELD_MAX) -> None:
        self._bytes_max = bytes_max
        self._count_max = count_max
        self._open: dict[str, Execution] = {}
        self._complete: OrderedDict[str, Execution] = OrderedDict()
        self._bytes = 0

    def put(self, execution: Execution) -> None:
        """Hold the execution as it is now."""
        if not execution.complete:
            self._open[execution.id] = execution
            return
        self._open.pop(execution.id, None)
        self._drop(execution.id)
        self._complete[execution.id] = execution
        self._bytes += _size(execution)
        while self._bytes > self._bytes_max or len(self._complete) > self._count_max:
            self._drop(next(iter(self._complete)))

    def forget(self, execution_id: str) -> None:
        """Hold it no more."""
        self._open.pop(execution_id, None)
        self._drop(execution_id)

    def get(self, execution_id: str) -> Execution | None:
        """The execution, if it is still held."""
        return self._open.get(execution_id) or self._complete.get(execution_id)

    @property
    def unfinished(self) -> int:
        """How many are not complete."""
        return len(self._open)

    def _drop(self, execution_id: str) -> None:
        dropped = self._complete.pop(execution_id, None)
        if dropped is not None:
            self._bytes -= _size(dropped)


def _size(execution: Execution) -> int:
    return len(execution.stdout) + len(execution.stderr)


def commit_id(execution_id: str, what: Literal["requested", "started", "finished"]) -> bytes:
    """The id of the commit that says this of the execution: it is found again by it."""
    text = f"execution\0{what}\0{execution_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def logged_text(output: bytes) -> str:
    """As much of an output as the log takes, as text."""
    return output[:LOGGED_BYTES_MAX].decode(errors="replace")
