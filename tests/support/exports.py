"""A small log with everything that is hard to export, and its export."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from eventstore.commit import Event
from eventstore.sqlite.log import SqliteLog
from scripts.audit import export
from tests.support.logs import Clock, wish

START_US: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
MINUTE_US: Final = 60_000_000
Commit = tuple[str, str, str, tuple[str, ...], list[str]]
# Stream, actor, tenant, tags and data; one commit a minute.
COMMITS: Final[list[Commit]] = [
    ("session/a", "key:ann", "lab", ("kind=vm", "label=x,y"), ['{"title":"ünï√"}']),
    (
        "vm/1",
        "runtime",
        "lab",
        ("kind=vm", "session=a"),
        ['{"n":[1.0,1e5,-0.0,1152921504606846976]}'],
    ),
    ("session/b", "=1+1", "other", ("kind=agent",), ['{"text":"=2+2"}', '{"text":"a\\nb"}']),
    ("session/a", "key:bob", "lab", ("kind=vm",), ['{ "spaced" :\n1 }']),
    ("key/k", "key:ann", "lab", (), [msgspec.json.encode("x" * 900_000).decode()]),
]


async def write_log(folder: Path) -> None:
    """Append COMMITS."""
    clock = Clock(START_US)
    log = await SqliteLog.open(folder, clock_us=clock)
    for number, (stream, actor, tenant, tags, data) in enumerate(COMMITS):
        events = tuple(Event("thing.happened", 1, msgspec.Raw(one.encode())) for one in data)
        made = wish(stream, actor=actor, tenant=tenant, tags=tags, correlation_id="@id")
        await log.append(msgspec.structs.replace(made, events=events))
        clock.now_us = START_US + (number + 1) * MINUTE_US
    await log.close()


def exported(folder: Path, *options: str, to: str = "export.jsonl") -> Path:
    """The file beside `folder` that an export with these options makes."""
    path = folder.parent / to
    path.unlink(missing_ok=True)
    assert export.main(["--data", str(folder), "--to", str(path), *options]) == 0
    return path
