"""Shapes of InstaVM's executions (contract instavm.md section 4.3)."""

from __future__ import annotations

import codecs
from datetime import datetime
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.dialects.instavm.wire_records import without_zone
from sessions.execution_results import Execution
from sessions.failure import FieldError
from sessions.runtimes.vm.port import Language

TIMEOUT_S: Final = 60
TIMEOUT_S_MIN: Final = 1
TIMEOUT_S_MAX: Final = 600
COMMAND_CHARS_MAX: Final = 256 << 10
PIECE_BYTES: Final = 128 << 10
# What a shell reports of a program that `timeout` ended, and of one that was killed: clients take
# a code that is null for success.
EXIT_TIMED_OUT: Final = 124
EXIT_CUT_OFF: Final = 137


class Execute(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /execute` and `POST /execute_async`; `code` is another word for command."""

    session_id: str
    command: str | None = None
    code: str | None = None
    language: Language | None = None
    timeout: int | None = None
    vault_ids: list[str] | None = None

    @property
    def program(self) -> str:
        """What is to run."""
        return self.command if self.command is not None else self.code or ""


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `POST /execute`; times are seconds."""

    task_id: str
    session_id: str
    vm_id: str | None
    language: str
    stdout: msgspec.Raw
    stderr: msgspec.Raw
    exit_code: int
    timed_out: bool
    truncated: bool
    stdout_bytes: int
    stderr_bytes: int
    execution_time: float
    cpu_time: float
    created_at: datetime


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `POST /execute_async`."""

    task_id: str
    session_id: str
    status: str
    created_at: datetime


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/executions/{id}`; what is not known yet is null.

    The output is plain text, whatever the names of its members say.
    """

    task_id: str
    session_id: str
    vm_id: str | None
    language: str
    status: str
    is_complete: bool
    serialized_stdout: msgspec.Raw
    serialized_stderr: msgspec.Raw
    exit_code: int | None
    timed_out: bool
    truncated: bool
    execution_time: float | None
    cpu_time: float | None
    created_at: datetime


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /kill`."""

    session_id: str


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `POST /kill`."""

    session_id: str
    vm_id: str
    status: str


def kill(body: Any) -> Kill:
    """The body; raises Failure 422."""
    return fastapi.checked(body, _KILL, Kill)


def execute(body: Any) -> Execute:
    """The body; raises Failure 422 that names every wrong field."""
    wanted = fastapi.checked(body, _EXECUTE, Execute)
    if wanted.command is None and wanted.code is None:
        raise fastapi.refusal([FieldError(("body", "command"), "Field required", "missing")])
    return wanted


def executed(execution: Execution) -> Executed:
    """An execution that is complete."""
    stdout, stderr = _texts(execution)
    return Executed(
        task_id=execution.id,
        session_id=execution.session,
        vm_id=execution.vm or None,
        language=execution.language,
        stdout=stdout,
        stderr=stderr,
        exit_code=_exit_code(execution),
        timed_out=execution.timed_out,
        truncated=execution.truncated,
        stdout_bytes=execution.stdout_bytes,
        stderr_bytes=execution.stderr_bytes,
        execution_time=(execution.duration_ms or 0) / 1000,
        cpu_time=(execution.cpu_ms or 0) / 1000,
        created_at=without_zone(execution.created_at),
    )


def accepted(execution: Execution) -> Accepted:
    """An execution that will be."""
    return Accepted(
        task_id=execution.id,
        session_id=execution.session,
        status=execution.status,
        created_at=without_zone(execution.created_at),
    )


def task(execution: Execution) -> Task:
    """An execution as it is now."""
    done = execution.complete
    stdout, stderr = _texts(execution) if done else (_NULL, _NULL)
    return Task(
        task_id=execution.id,
        session_id=execution.session,
        vm_id=execution.vm or None,
        language=execution.language,
        status=execution.status,
        is_complete=done,
        serialized_stdout=stdout,
        serialized_stderr=stderr,
        exit_code=_exit_code(execution) if done else None,
        timed_out=execution.timed_out,
        truncated=done and execution.truncated,
        execution_time=(execution.duration_ms or 0) / 1000 if done else None,
        cpu_time=(execution.cpu_ms or 0) / 1000 if done else None,
        created_at=without_zone(execution.created_at),
    )


def _exit_code(execution: Execution) -> int:
    if execution.timed_out:
        return EXIT_TIMED_OUT
    return EXIT_CUT_OFF if execution.exit_code is None else execution.exit_code


def _texts(execution: Execution) -> tuple[msgspec.Raw, msgspec.Raw]:
    """Both outputs as texts; stderr ends with what a reader would miss otherwise."""
    notes = []
    for name, kept, bytes_in_all in (
        ("stdout", execution.stdout, execution.stdout_bytes),
        ("stderr", execution.stderr, execution.stderr_bytes),
    ):
        if bytes_in_all > len(kept):
            notes.append(f"[{name} is cut off after {len(kept)} of {bytes_in_all} bytes]")
    if execution.timed_out:
        notes.append(f"[the program was ended after {execution.timeout_s:g} seconds]")
    if execution.status == "cut_off":
        notes.append(f"[the program was cut off: {execution.detail or execution.reason}]")
    told = "".join(f"{note}\n" for note in notes)
    if told and execution.stderr and not execution.stderr.endswith(b"\n"):
        told = "\n" + told
    return _text(execution.stdout), _text(execution.stderr, told)


def _text(raw: bytes, more: str = "") -> msgspec.Raw:
    """The bytes as a text of JSON; in pieces, since one call for 4 MiB holds up all others."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = [decoder.decode(raw[at : at + PIECE_BYTES]) for at in range(0, len(raw), PIECE_BYTES)]
    pieces.append(decoder.decode(b"", final=True) + more)
    inside = (msgspec.json.encode(piece)[1:-1] for piece in pieces)
    return msgspec.Raw(b"".join((b'"', *inside, b'"')))


def _language(value: Any, path: Path, wrong: Wrong) -> Any:
    if value not in ("python", "bash"):
        wrong.append(FieldError(path, "Input should be 'python' or 'bash'", "literal_error"))
    return value


def _no_vaults(value: Any, path: Path, wrong: Wrong) -> Any:
    value = fastapi.list_of(fastapi.string)(value, path, wrong)
    if isinstance(value, list) and value:
        wrong.append(FieldError(path, "this service has no vaults", "value_error"))
    return value


_program: Final = fastapi.text(0, COMMAND_CHARS_MAX)
_NULL: Final = msgspec.Raw(b"null")
_session: Final = Field("session_id", fastapi.string, required=True, nullable=False)
_KILL: Final = (_session,)
_EXECUTE: Final = (
    _session,
    Field("command", _program),
    Field("code", _program),
    Field("language", _language),
    Field("timeout", fastapi.integer(TIMEOUT_S_MIN, TIMEOUT_S_MAX)),
    Field("vault_ids", _no_vaults),
)
