"""Logs of sessions as they would be: Zipf-ish histories, encoded by the service's own codec."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from eventstore.commit import START, Append, Event
from eventstore.sqlite.log import SqliteLog
from projections.events import CODEC
from projections.events.session import (
    MessageAdded,
    SessionActive,
    SessionCreated,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.status import KINDS, Kind, Status
from projections.folds.session import PREFIX
from projections.follower import Follower
from projections.views.store import Views
from sessions import ids
from sessions.serve import GC_THRESHOLDS

AT_ONCE: Final = 512
DURATION_S: Final = 30 * 86_400
OWNERS: Final = 100
LABELS: Final = 200
VARIANTS: Final = 2_000
TENANT: Final = "default"
_KIND_WEIGHTS: Final = (10, 30, 20, 30, 10)


def label(number: int) -> str:
    """The label with this number; low ones are common."""
    return f"label-{number}"


def skewed(source: random.Random, count: int) -> int:
    """A number below `count`; small ones are much more likely."""
    return int(count * source.random() ** 3)


class Facts:
    """Encoded facts to choose from: encoding is the service's cost, not the log's."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.created = [CODEC.encode(self._created(n)) for n in range(VARIANTS)]
        self.later = [CODEC.encode(fact) for fact in self._later()]

    def _created(self, number: int) -> SessionCreated:
        source = self.source
        kind: Kind = source.choices(KINDS, _KIND_WEIGHTS)[0]
        status: Status = "pending" if number % 4 == 0 else "running"
        return SessionCreated(
            kind=kind,
            dialect="native",
            owner=f"key:user-{skewed(source, OWNERS)}",
            status=status,
            max_duration_s=DURATION_S,
            title=f"session number {number}",
            labels=tuple({label(skewed(source, LABELS)): None for _ in range(2)}),
            metadata={"project": f"p{number % 50}", "priority": number % 5},
            spec={"url": "https://example.org/a/page", "viewport": {"width": 1280, "height": 720}},
        )

    def _later(self) -> Iterator[Any]:
        words = "the quick brown fox jumps over the lazy dog "
        for number in range(VARIANTS // 10):
            yield MessageAdded(id=ids.uuid7(), role="user", content=words * (number % 4 + 1))
            yield MessageAdded(id=ids.uuid7(), role="agent", content=words * (number % 8 + 1))
            yield SessionStatusChanged(was="running", to="paused", reason="requested")
            yield SessionStatusChanged(was="paused", to="running", reason="requested")
            yield SessionActive(at=1_700_000_000_000_000 + number)
            yield MessageAdded(id=ids.uuid7(), role="user", content=words)
            if number % 4 == 0:
                yield SessionLabelled(labels=(label(skewed(self.source, LABELS)),))
            if number % 2 == 0:
                yield SessionStatusChanged(was="running", to="completed", reason="finished")


def wish(stream: str, event: Event, expected: Any = None) -> Append:
    """An append of one event, as the service makes it."""
    return Append(
        stream=stream,
        expected=expected,
        commit_id=ids.commit_id(),
        events=(event,),
        actor="key:bench",
        tenant=TENANT,
        tags=("kind=agent", "dialect=native", "status=running"),
        correlation_id="18ea3617951a5a029b3a84b7a54d0810",
    )


def history(facts: Facts, sessions: int, events: int) -> Iterator[Append]:
    """`events` appends to `sessions` streams; the older a session, the busier it is."""
    streams: list[str] = []
    every = max(1, events // sessions)
    for number in range(events):
        if number % every == 0 and len(streams) < sessions:
            streams.append(PREFIX + ids.uuid7())
            yield wish(streams[-1], facts.source.choice(facts.created), START)
        else:
            stream = streams[skewed(facts.source, len(streams))]
            yield wish(stream, facts.source.choice(facts.later))


def collect_as_served() -> None:
    """Set the collector as the service does once it is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def build_log(folder: Path, seed: int, sessions: int, events: int) -> None:
    """A log of `events` commits in `folder`; kept if it is there."""
    await append_all(folder, history(Facts(seed), sessions, events))


async def append_all(folder: Path, wishes: Iterator[Append]) -> None:
    """A log of all of these in `folder`, through real appends; kept if it is there."""
    log = await SqliteLog.open(folder)
    try:
        if log.head().size:
            return
        while batch := list(itertools.islice(wishes, AT_ONCE)):
            await asyncio.gather(*map(log.append, batch))
    finally:
        await log.close()


async def build_views(folder: Path) -> None:
    """The views of the log in `folder`, at its head."""
    log = await SqliteLog.open(folder)
    views = await Views.open(folder, log.epoch)
    try:
        await Follower(log, views).catch_up()
    finally:
        await views.close()
        await log.close()


def built(folder: Path, seed: int, sessions: int, events: int) -> Path:
    """The folder of a log with its views, made unless an earlier bench of this run made it."""
    path = folder / f"log-{sessions}-{events}"
    if not (path / "views.db").exists():
        asyncio.run(build_log(path, seed, sessions, events))
        asyncio.run(build_views(path))
    return path
