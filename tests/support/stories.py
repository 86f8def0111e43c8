"""A small log with a story in it, and what replay.py says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from eventstore.sqlite.log import SqliteLog
from projections.events import CODEC
from projections.events.session import (
    MessageAdded,
    SessionCreated,
    SessionExtended,
    SessionStatusChanged,
)
from projections.events.vm import VmReady, VmRequested
from projections.follower import Follower
from projections.views.store import Views
from scripts.audit import replay
from tests.support.logs import Clock, wish

A = "01890a5d-ac96-774b-bcce-b302099a8057"
B = "01890a5d-ac96-774b-bcce-b302099a8058"
BEGAN_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
SECOND_US = 1_000_000
HOSTILE = "\x1b[2J\x9b31m\u202e\nforged"


def created(**more: Any) -> SessionCreated:
    """That a session of an agent runs, unless told otherwise."""
    given = {"kind": "agent", "dialect": "native", "owner": "key:ci", "status": "running"}
    return SessionCreated(**(given | {"max_duration_s": 3600} | more))


Outcome = tuple[object, str, str]

# Stream, actor, tenant, tags, seconds since the one before, facts.
STORY = [
    (f"session/{A}", "key:ci", "default", ("kind=agent",), 0, [created(idle_timeout_s=300)]),
    ("vm/m-1", "runtime", "default", ("kind=vm", f"session={A}"), 3.25, [
        VmRequested(session=A, vcpu_count=2, memory_mb=512, lifetime_s=60)
    ]),
    (f"session/{B}", "key:bob", "lab", ("kind=browser",), 0, [created(kind="browser")]),
    ("vm/m-1", "runtime", "default", ("kind=vm", f"session={A}"), 0.34, [VmReady(boot_ms=340)]),
    (f"session/{A}", "key:ci", "default", ("kind=agent",), 7800, [
        MessageAdded(id="1", role="user", content=HOSTILE),
        SessionExtended(idle_timeout_s=600),
    ]),
    (f"session/{A}", HOSTILE, "default", ("kind=agent",), 1, [
        SessionStatusChanged(was="running", to="failed", reason="client_error", detail=HOSTILE)
    ]),
]  # fmt: skip


async def write(folder: Path, story: list[Any], *, views: bool = True) -> None:
    """A log of these commits in `folder`, with its lists where they are wanted."""
    clock = Clock(BEGAN_US)
    log = await SqliteLog.open(folder, clock_us=clock)
    for stream, actor, tenant, tags, seconds, facts in story:
        clock.now_us += int(seconds * SECOND_US)
        made = wish(stream, actor=actor, tenant=tenant, tags=tags)
        events = tuple(map(CODEC.encode, facts))
        await log.append(msgspec.structs.replace(made, events=events))
    if views:
        kept = await Views.open(folder, log.epoch)
        await Follower(log, kept).catch_up()
        await kept.close()
    await log.close()


def run(capsys: Any, *arguments: object) -> Outcome:
    """Exit code, output and complaints of the script, within this process."""
    code: object
    try:
        code = replay.main([str(argument) for argument in arguments])
    except SystemExit as left:
        code = left.code
    said = capsys.readouterr()
    return code, said.out, said.err


def told(capsys: Any, *arguments: object) -> list[str]:
    """The lines that it says."""
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, ""), err
    return out.splitlines()


def objects(capsys: Any, *arguments: object) -> list[Any]:
    """The objects that it says with --json."""
    return [msgspec.json.decode(line) for line in told(capsys, *arguments, "--json")]
