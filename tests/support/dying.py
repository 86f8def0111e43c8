"""The service as it is, but that it kills itself at a named step: kill -9, from inside.

python -m tests.support.dying serve ... reads from the environment
    DIE_AT      the name of a step in STEPS and those below it; unset: do not die
    DIE_COUNT   at which time of the step (default 1)
    DIE_WHILE   only times when this file is there count (default: all)
    CONSTANTS   JSON: {"module:NAME": value} of constants of modules to be set first
and says `died at NAME` on stderr as its last words. With the name of a module that has a `main`
instead of a command of the service, that runs with the arguments after it.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

WRITER: Final = "eventstore.sqlite.writer"
VIEWS: Final = "projections.views.store"
SHADOW: Final = "projections.shadow"
SNAPSHOTS: Final = "projections.snapshots"
HEADS: Final = "eventstore.heads"


class Step(NamedTuple):
    """`when` a function, `place` in its module, is called or has returned."""

    module: str
    place: str
    when: Literal["before", "after", "within"]


STEPS: Final[dict[str, Step]] = {
    "append: queued": Step(WRITER, "Writer.submit", "after"),
    "append: taken from the queue": Step(WRITER, "Writer._place", "before"),
    "append: planned": Step(WRITER, "plan", "after"),
    "append: about to be inserted": Step(WRITER, "Writer._insert", "before"),
    "append: committed, not published": Step(WRITER, "Writer._insert", "after"),
    "append: about to be told": Step(WRITER, "Writer._adopt", "before"),
    "append: published, not answered": Step(WRITER, "Writer._adopt", "after"),
    "append: answered, not sent": Step(WRITER, "_succeed", "after"),
    "checkpoint: about to begin": Step(WRITER, "Writer._checkpoint", "before"),
    "checkpoint: done": Step(WRITER, "Writer._checkpoint", "after"),
    "follow: about to write": Step(VIEWS, "Views.write", "before"),
    "follow: in the transaction": Step(VIEWS, "transact", "within"),
    "follow: written, not noted": Step(VIEWS, "Views.write", "after"),
    "rebuild: tables made": Step(VIEWS, "Views.make_next", "after"),
    "rebuild: some rows written": Step(SHADOW, "Shadow._write_some", "after"),
    "rebuild: rows written, no index": Step(VIEWS, "Views.index_next", "before"),
    "rebuild: indexes made": Step(VIEWS, "Views.index_next", "after"),
    "rebuild: about to switch": Step(VIEWS, "Views.switch", "before"),
    "rebuild: switched": Step(VIEWS, "Views.switch", "after"),
    "head: about to be written": Step(HEADS, "HeadFolder.write", "before"),
    "head: written beside, not renamed": Step("pathlib", "Path.rename", "before"),
    "head: renamed, folder not synced": Step("pathlib", "Path.rename", "after"),
    "head: written, not noted": Step(HEADS, "HeadFolder.write", "after"),
    "snapshot: some rows written": Step(SNAPSHOTS, "Snapshots.write", "after"),
    "snapshot: in the transaction": Step(SNAPSHOTS, "transact", "within"),
    "snapshot: about to be finished": Step(SNAPSHOTS, "Snapshots.finish", "before"),
    "snapshot: finished": Step(SNAPSHOTS, "Snapshots.finish", "after"),
}
BACKUP: Final = "scripts.audit.backup"
BACKING_UP: Final[dict[str, Step]] = {
    "backup: copied": Step(BACKUP, "copy_database", "after"),
    "backup: restored": Step(BACKUP, "_verified", "before"),
    "backup: about to be replayed": Step(BACKUP, "replay", "before"),
    "backup: agreed": Step(BACKUP, "_checked", "after"),
    "backup: about to be renamed": Step("pathlib", "Path.rename", "before"),
    "backup: renamed, folder not synced": Step("pathlib", "Path.rename", "after"),
}

VAULT: Final = "eventstore.vault"
# A session is created, talked to and erased: the second command is the erasure.
ERASING: Final[dict[str, Step]] = {
    "erase: in the transaction": Step(VAULT, "transact", "within"),
    "erase: key destroyed, WAL not cut": Step(VAULT, "transact", "after"),
    "erase: key in no file": Step(VAULT, "Vault.erase", "after"),
    "erase: about to be told": Step("sessions.service", "Sessions.execute", "before"),
    "erase: told, files still there": Step("sessions.service", "Sessions.execute", "after"),
    "erase: files about to go": Step("eventstore.artifacts", "ArtifactStore.remove", "before"),
    "erase: files gone": Step("eventstore.artifacts", "ArtifactStore.remove", "after"),
    "erase: finished, not answered": Step(VAULT, "Vault.finish", "after"),
}

CATALOG: Final = "sessions.catalog"
ARTIFACTS: Final = "eventstore.artifacts"
ENTRIES: Final[dict[str, Step]] = {
    "attachment: arrived": Step(ARTIFACTS, "Incoming.finish", "after"),
    "attachment: in its place, not told": Step(ARTIFACTS, "ArtifactStore.keep", "after"),
    "attachment: told, not settled": Step(ARTIFACTS, "ArtifactStore.settle", "before"),
    "secret: sealed, not told": Step(VAULT, "Vault.seal", "after"),
    "secret: key about to go": Step(VAULT, "Vault.erase", "before"),
    "secret: key in no file": Step(VAULT, "Vault.erase", "after"),
    "secret: deleted, not finished": Step(CATALOG, "Catalog.remove", "after"),
    "secret: finished, not answered": Step(VAULT, "Vault.finish", "after"),
}

BOOK: Final = "sessions.machine_book"
COURSE: Final = "sessions.machine_course"
COPIES: Final = "sessions.machine_copies"
EXECUTIONS: Final = "sessions.executions"
KEPT: Final = "sessions.runtimes.vm.kept"
ENGINE: Final = "sessions.runtimes.vm.engine"
MACHINE: Final = "sessions.runtimes.vm.machine"
MACHINES: Final[dict[str, Step]] = {
    "spawn: about to be requested": Step(BOOK, "MachineBook.request_vm", "before"),
    "spawn: requested": Step(BOOK, "MachineBook.request_vm", "after"),
    "spawn: a process, not confined": Step(
        "sessions.runtimes.vm.process", "Process.__init__", "after"
    ),
    "spawn: runs, not awake": Step(ENGINE, "Engine.run", "after"),
    "spawn: awake, not told": Step(MACHINE, "QemuMachine.wake", "after"),
    "spawn: answers, session runs": Step(COURSE, "Courses._up", "after"),
    "exec: about to be told": Step(EXECUTIONS, "Executions._started", "before"),
    "exec: told, not begun": Step(EXECUTIONS, "Executions._started", "after"),
    "exec: under way": Step("sessions.runtimes.vm.printing", "Printing.heard", "after"),
    "exec: ended, not told": Step(EXECUTIONS, "Executions._tell_end", "before"),
    "exec: told": Step(EXECUTIONS, "Executions._tell_end", "after"),
    "suspend: at rest": Step("sessions.runtimes.vm.channel", "Channel.quiesce", "after"),
    "suspend: memory saved": Step(ENGINE, "Engine.save", "after"),
    "suspend: whole, without its name": Step(KEPT, "stored_bytes", "before"),
    "suspend: kept, still there": Step(KEPT, "Keeping.finish", "after"),
    "suspend: gone, not told": Step(MACHINE, "QemuMachine.suspend", "after"),
    "suspend: told, session does not know": Step(COURSE, "Courses._tell_session", "before"),
    "resume: read from the disk": Step(KEPT, "KeptMachines.open", "after"),
    "resume: awake, not told": Step(MACHINE, "QemuMachine.wake", "after"),
    "resume: told, still kept": Step(KEPT, "KeptMachines.forget", "before"),
    "snapshot: requested": Step(BOOK, "MachineBook.request_snapshot", "after"),
    "snapshot: kept, not told": Step(COPIES, "Copies._keep", "after"),
    "snapshot: ready, not answered": Step(COPIES, "Copies._until_told", "after"),
    "snapshot: deleted, still kept": Step(KEPT, "KeptMachines.forget", "before"),
    "clone: kept, no session": Step(COPIES, "Copies._session_like", "before"),
    "clone: a session, no machine": Step(COPIES, "Copies._session_like", "after"),
    "clone: its source still kept": Step(COURSE, "Courses._forget", "before"),
    "stop: gone, not told": Step(COURSE, "Courses._until_told", "before"),
    "stop: told, not answered": Step(COURSE, "Courses._until_told", "after"),
}

WORKER: Final = "sessions.runtimes.worker"
# The worker dies at these, python -m tests.support.dying work ...
WORKER_DIES: Final[dict[str, Step]] = {
    "work: claimed, nothing begun": Step(f"{WORKER}.api", "WorkApi.claim", "after"),
    "work: begun, not told": Step(f"{WORKER}.command", "Command.__init__", "after"),
    "work: told that it begun": Step(f"{WORKER}.api", "WorkApi.report", "after"),
    "work: heard, not told": Step(f"{WORKER}.outbox", "Outbox.put", "after"),
    "work: ended, not told": Step(f"{WORKER}.course", "Course._tell_end", "before"),
    "work: ended, told": Step(f"{WORKER}.course", "Course._tell_end", "after"),
}
# The service dies at these.
WORK_DIES: Final[dict[str, Step]] = {
    "claim: told, not answered": Step("sessions.work_claims", "Claims.claim", "after"),
    "claim: about to be told": Step("sessions.work_claims", "Claims._claim_now", "before"),
    "report: about to be told": Step("sessions.work", "Work.report", "before"),
    "report: told, not answered": Step("sessions.work", "Work.report", "after"),
}


def last_words(step: str) -> str:
    """What a process that died at `step` has said."""
    return f"died at {step}\n"


def _deadly(step: str, count: int) -> Callable[[], None]:
    """A call that returns `count - 1` times."""
    calls = itertools.count(1)
    armed = os.environ.get("DIE_WHILE")

    def call() -> None:
        if armed is not None and not os.path.exists(armed):  # noqa: PTH110 - Path may be the step
            return
        if next(calls) == count:
            os.write(2, last_words(step).encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def _nothing() -> None:
    pass


def _around(
    original: Callable[..., Any], before: Callable[[], None], after: Callable[[], None]
) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(*given: Any, **named: Any) -> Any:
            before()
            result = await original(*given, **named)
            after()
            return result

        return awaited

    @functools.wraps(original)
    def called(*given: Any, **named: Any) -> Any:
        before()
        result = original(*given, **named)
        after()
        return result

    return called


def _within(original: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
    """For `transact`: between two of its statements."""

    def statements(given: Sequence[Any]) -> Iterator[Any]:
        yield from given[: len(given) // 2]
        die()
        yield from given[len(given) // 2 :]

    @functools.wraps(original)
    async def transact(connection: Any, given: Sequence[Any]) -> None:
        await original(connection, statements(given))

    return transact


def arm(name: str, count: int) -> None:
    """Make this process die when it comes to the step for the `count`-th time."""
    step = {
        **STEPS,
        **ERASING,
        **ENTRIES,
        **BACKING_UP,
        **MACHINES,
        **WORKER_DIES,
        **WORK_DIES,
    }[name]
    owner, attribute = _found(step.module, step.place)
    original = getattr(owner, attribute)
    die = _deadly(name, count)
    if step.when == "within":
        setattr(owner, attribute, _within(original, die))
    elif step.when == "before":
        setattr(owner, attribute, _around(original, die, _nothing))
    else:
        setattr(owner, attribute, _around(original, _nothing, die))


def _found(module: str, place: str) -> tuple[Any, str]:
    """The owner of what stands at `place` in a module, and its name there."""
    owner: Any = importlib.import_module(module)
    *path, name = place.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner, name


def main() -> None:
    """Prepare, then be the service."""
    for place, value in json.loads(os.environ.get("CONSTANTS", "{}")).items():
        module, _, path = place.partition(":")
        owner, name = _found(module, path)
        assert hasattr(owner, name), place
        setattr(owner, name, value)
    if "DIE_AT" in os.environ:
        arm(os.environ["DIE_AT"], int(os.environ.get("DIE_COUNT", "1")))
    program, arguments = sys.argv[1], sys.argv[2:]
    if "." in program:
        sys.exit(importlib.import_module(program).main(arguments))
    sys.exit(importlib.import_module("sessions.cli").run([program, *arguments]))


if __name__ == "__main__":
    main()
