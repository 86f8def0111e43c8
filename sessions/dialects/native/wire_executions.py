"""Shapes of the native API's executions: programs in the machines of sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from projections.events.status import Reason
from sessions.dialects.instants import instant
from sessions.dialects.native.wire import Request
from sessions.domain.rejections import InvalidValue
from sessions.execution_results import Execution, ExecutionStatus
from sessions.runtimes.vm.port import Program

TIMEOUT_S: Final = 60.0
TIMEOUT_S_MIN: Final = 0.1
TIMEOUT_S_MAX: Final = 3600.0
CODE_CHARS_MAX: Final = 256 << 10


class NewExecution(Request, frozen=True, kw_only=True):
    """A program to run; without `wait` the answer comes before its end."""

    code: str
    language: Literal["python", "bash"] = "python"
    timeout_s: float = TIMEOUT_S
    wait: bool = True


class ExecutionView(msgspec.Struct, frozen=True, kw_only=True):
    """A program in a machine, and how it went."""

    id: str
    session: str
    vm: str | None
    language: Literal["python", "bash"]
    status: ExecutionStatus
    reason: Reason | None
    detail: str
    exit_code: int | None
    timed_out: bool
    timeout_s: float
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    truncated: bool
    duration_ms: int | None
    cpu_ms: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ExecutionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of executions, oldest first; `next` is the `after` of the next one."""

    items: list[ExecutionView]
    next: int | None


def program(body: NewExecution) -> Program:
    """What is to run; raises InvalidValue."""
    if not TIMEOUT_S_MIN <= body.timeout_s <= TIMEOUT_S_MAX:
        raise InvalidValue("timeout_s", f"between {TIMEOUT_S_MIN} and {TIMEOUT_S_MAX}")
    if len(body.code) > CODE_CHARS_MAX:
        message = f"at most {CODE_CHARS_MAX} characters, not {len(body.code)}"
        raise InvalidValue("code", message)
    return Program(code=body.code, language=body.language, timeout_s=body.timeout_s)


def execution_view(execution: Execution) -> ExecutionView:
    """The execution as the native API shows it; output that is no text loses what is not."""
    return ExecutionView(
        id=execution.id,
        session=execution.session,
        vm=execution.vm or None,
        language=execution.language,
        status=execution.status,
        reason=execution.reason,
        detail=execution.detail,
        exit_code=execution.exit_code,
        timed_out=execution.timed_out,
        timeout_s=execution.timeout_s,
        stdout=execution.stdout.decode(errors="replace"),
        stderr=execution.stderr.decode(errors="replace"),
        stdout_bytes=execution.stdout_bytes,
        stderr_bytes=execution.stderr_bytes,
        truncated=execution.complete and execution.truncated,
        duration_ms=execution.duration_ms,
        cpu_ms=execution.cpu_ms,
        created_at=instant(execution.created_at),
        started_at=None if execution.started_at is None else instant(execution.started_at),
        finished_at=None if execution.finished_at is None else instant(execution.finished_at),
    )
