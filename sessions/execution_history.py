"""Executions out of the log: one by its id, those of a session in order."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from eventstore.commit import Commit, Position
from eventstore.vault import Vault
from projections.events import CODEC
from projections.events.vm import ExecutionFinished, ExecutionRequested, ExecutionStarted
from projections.folds import session as session_fold
from projections.folds import vm as vm_fold
from projections.folds.vm import Vm
from projections.views.lists import VmFilter, list_vms
from sessions.caller import SERVICE
from sessions.execution_results import Execution, commit_id
from sessions.machine_book import MachineBook

CUT_OFF: Final = "The service ended before the program did."


async def found_in_log(book: MachineBook, vault: Vault, execution_id: str) -> Execution | None:
    """The execution as the log has it; what did not end there was cut off by a restart."""
    commits = [
        commit
        for commit in (
            await book.log.find(commit_id(execution_id, "requested")),
            await book.log.find(commit_id(execution_id, "started")),
            await book.log.find(commit_id(execution_id, "finished")),
        )
        if commit is not None
    ]
    if not commits:
        return None
    vm = await _vm_of(book, commits)
    session = vm.session if vm is not None else _session_of(commits)
    execution: Execution | None = None
    for commit in commits:
        execution = _folded(execution, commit, session, execution_id)
    if execution is None:
        return None
    if not execution.complete:
        execution = _cut_off(execution, vm)
    return await _opened(vault, execution)


async def started_in(
    book: MachineBook, session_id: str, after: Position, limit: int
) -> tuple[list[str], Position | None]:
    """Ids of executions that began after a position, oldest first, and where the next begin."""
    await book.views_follow()
    vms: list[Vm] = []
    before: int | None = None
    while page := await list_vms(
        book.views, VmFilter(session=session_id), before=before, limit=1000
    ):
        vms += page
        before = page[-1].created
    found: list[str] = []
    for vm in reversed(vms):
        position = after
        while position < vm.position:
            commits = await book.log.read_stream(vm_fold.PREFIX + vm.id, position, 500)
            for recorded in commits:
                position = recorded.commit.position
                found += _started(recorded.commit)
                if len(found) >= limit:
                    return found, position
            if not commits:
                break
    return found, None


def _started(commit: Commit) -> list[str]:
    return [
        CODEC.decode(event).id for event in commit.events if event.type == ExecutionStarted.NAME
    ]


async def _vm_of(book: MachineBook, commits: list[Commit]) -> Vm | None:
    for commit in commits:
        if commit.stream.startswith(vm_fold.PREFIX):
            return await book.vm(commit.stream.removeprefix(vm_fold.PREFIX), SERVICE)
    return None


def _session_of(commits: list[Commit]) -> str:
    return commits[0].stream.removeprefix(session_fold.PREFIX)


def _folded(
    execution: Execution | None, commit: Commit, session: str, execution_id: str
) -> Execution | None:
    for event in commit.events:
        fact = CODEC.decode(event)
        if getattr(fact, "id", None) != execution_id:
            continue
        match fact:
            case ExecutionRequested() | ExecutionStarted() if execution is None:
                execution = Execution(
                    id=fact.id,
                    session=session,
                    tenant=commit.tenant,
                    language="bash" if fact.language == "bash" else "python",
                    status="waiting",
                    created_at=commit.at,
                    timeout_s=fact.timeout_s,
                )
            case _:
                pass
        if execution is not None:
            execution = _moved(execution, fact, commit)
    return execution


def _moved(execution: Execution, fact: object, commit: Commit) -> Execution:
    match fact:
        case ExecutionStarted():
            vm = commit.stream.removeprefix(vm_fold.PREFIX)
            return replace(execution, status="running", vm=vm, started_at=commit.at)
        case ExecutionFinished():
            ran = fact.exit_code is not None or fact.timed_out
            return replace(
                execution,
                status="finished" if ran else "cut_off",
                finished_at=commit.at,
                exit_code=fact.exit_code,
                timed_out=fact.timed_out,
                duration_ms=fact.duration_ms,
                cpu_ms=fact.cpu_ms,
                stdout=fact.stdout.encode(),
                stderr=fact.stderr.encode(),
                stdout_bytes=fact.stdout_bytes,
                stderr_bytes=fact.stderr_bytes,
                reason=fact.reason,
                detail=fact.detail,
            )
        case _:
            return execution


def _cut_off(execution: Execution, vm: Vm | None) -> Execution:
    reason = vm.reason if vm is not None and vm.ended else "service_restart"
    ended_at = None if vm is None else vm.ended_at
    return replace(execution, status="cut_off", reason=reason, detail=CUT_OFF, finished_at=ended_at)


async def _opened(vault: Vault, execution: Execution) -> Execution:
    """With its output, as far as the key is there."""
    sealed = [text.decode() for text in (execution.stdout, execution.stderr)]
    stream = session_fold.PREFIX + execution.session
    plain = iter(await vault.unseal_many(stream, [text for text in sealed if text]))
    outputs = [(next(plain) or "").encode() if text else b"" for text in sealed]
    return replace(execution, stdout=outputs[0], stderr=outputs[1])
