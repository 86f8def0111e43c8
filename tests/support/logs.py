"""Builders for appends and logs, and what a test says of a log in one line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import msgspec

from eventstore.commit import Append, Event, Position, Recorded, restore
from eventstore.memory import MemoryLog
from eventstore.sqlite.log import SqliteLog
from tests.support.trees import root_of_bodies

ANY = None
NEW = Position(0)

AnyLog = MemoryLog | SqliteLog


class Clock:
    """A clock that tests set by hand, so that two logs store the same bytes."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        """The instant it was set to."""
        return self.now_us


def event(data: object = None, name: str = "thing.happened", v: int = 1) -> Event:
    """An event with `data` as its JSON."""
    return Event(name, v, msgspec.Raw(msgspec.json.encode(data)))


def wish(
    stream: str = "thing/1",
    expected: int | None = ANY,
    *,
    id: bytes | None = None,
    data: Sequence[object] = (None,),
    **more: object,
) -> Append:
    """An append of one event for each of `data`; its id is fresh unless given."""
    given = {"actor": "tester", "tenant": "lab", **more}
    return Append(
        stream=stream,
        expected=expected,  # type: ignore[arg-type]
        commit_id=os.urandom(16) if id is None else id,
        events=tuple(event(one) for one in data),
        **given,  # type: ignore[arg-type]
    )


def commit_id(number: int) -> bytes:
    """The id that a test knows as `number`."""
    return number.to_bytes(16, "big")


async def filled(log: AnyLog, streams: Sequence[str]) -> None:
    """Append one commit to each of `streams`, in order."""
    for number, stream in enumerate(streams):
        await log.append(wish(stream, data=[number]))


async def whole(log: AnyLog, page: int = 1000) -> list[Recorded]:
    """Every commit of the log, read page by page."""
    commits: list[Recorded] = []
    while read := await log.read(Position(len(commits)), page):
        commits.extend(read)
    return commits


def positions(recorded: Sequence[Recorded]) -> list[int]:
    """Their positions."""
    return [one.commit.position for one in recorded]


async def check_log(log: AnyLog) -> list[Recorded]:
    """Fail unless the log is gapless, chained, exact in its bytes and true to its head."""
    commits = await whole(log)
    assert positions(commits) == list(range(1, len(commits) + 1))
    heads: dict[str, int] = {}
    ids = set()
    for recorded in commits:
        commit = recorded.commit
        assert commit.previous == heads.get(commit.stream, 0)
        assert restore(recorded.body).commit == commit
        heads[commit.stream] = commit.position
        ids.add(commit.id)
    assert len(ids) == len(commits)
    head = log.head()
    assert (head.size, head.root) == (len(commits), root_of_bodies(r.body for r in commits))
    return commits


async def gather_outcomes(log: AnyLog, wishes: Sequence[Append]) -> list[Any]:
    """The commit or the error of each append, all asked at once."""
    return list(await asyncio.gather(*(log.append(w) for w in wishes), return_exceptions=True))
