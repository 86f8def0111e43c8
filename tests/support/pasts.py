"""Logs with a past worth asking for, and the plainest fold of it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from unittest import mock

from eventstore.codec import Fact
from eventstore.commit import Append, Commit, Position
from projections.events import CODEC
from projections.events.access import KeyIssued, KeyRevoked
from projections.events.catalog import CatalogChanged, CatalogDeleted, CatalogEntered
from projections.events.device import DeviceRegistered, DeviceRemoved
from projections.events.evaluation import TurnChanged, TurnRecorded, TurnRemoved
from projections.events.session import (
    MessageAdded,
    SessionActive,
    SessionConfigured,
    SessionCreated,
    SessionDeleted,
    SessionExtended,
    SessionLabelled,
    SessionStatusChanged,
)
from projections.events.span import SpanDeleted, SpanRecorded
from projections.events.status import KINDS, STATUSES
from projections.events.test_run import ChannelPosted
from projections.events.vm import VmLost, VmReady, VmRequested, VmStarted
from projections.events.vm_snapshot import SnapshotDeleted, SnapshotReady, SnapshotRequested
from projections.events.work import (
    AgentReported,
    WorkClaimed,
    WorkOffered,
    WorkReleased,
    WorkTerms,
)
from projections.snapshots import Snapshots
from projections.subjects import fold, subject_of
from tests.support.logs import AnyLog, commit_id

LABELS: Final = ("red", "big", "a b", "ä")
TENANTS: Final = ("lab", "default")
METADATA: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, 1.0, 1.5, -1, 0.1, "1", "true", "null", "", "x", "X", 2**53 + 1),
    *(2**63 - 1, 2**64, 1e300, "\u00e4", 'a"b', "a\\b", "\u2028", {"k": 1}, [1], [], {}),
)
REFS: Final = {"customId": ("", "c/1", "ö"), "versionId": ("v1", "v2"), "productId": ("p1",)}
KEYS: Final = ("k", "K", 'k"', "k.k", "$", "ä", "")
_LATER: Final = 0.6
_REFS: Final = 0.5


def wishes(seed: int, count: int, streams: int = 12) -> Iterator[Append]:
    """Appends to a few streams of every subject; sessions that are deleted get facts after it."""
    source = random.Random(seed)
    names: list[str] = []
    for number in range(count):
        if names and (source.random() < _LATER or len(names) == streams):
            stream = source.choice(names)
            fact = _later(source, stream)
        else:
            stream, fact = _first(source, len(names), names)
            names.append(stream)
        yield Append(
            stream=stream,
            expected=None,
            commit_id=commit_id(seed * 1_000_000 + number),
            events=(CODEC.encode(fact),),
            actor=f"key:{number % 3}",
            tenant=TENANTS[hash_of(stream) % 2],
        )


def hash_of(stream: str) -> int:
    """The same number for the same stream in every process."""
    return sum(stream.encode())


KINDS_OF_STREAMS = (
    *("session", "session", "session", "session", "session", "session", "vm", "vm"),
    *("key", "catalog", "device", "snapshot", "span", "unknown"),
)


def _first(source: random.Random, number: int, names: list[str]) -> tuple[str, Fact]:
    kind = source.choice(KINDS_OF_STREAMS)
    stream = f"{kind}/{number}"
    match kind:
        case "vm":
            of = next((name for name in names if name.startswith("session/")), "session/0")
            session = of.removeprefix("session/")
            return stream, VmRequested(session=session, vcpu_count=1, memory_mb=1, lifetime_s=60)
        case "key":
            return stream, KeyIssued(name="k", digest="d", prefix="p", tenant="lab", scopes=())
        case "catalog":
            return stream, CatalogEntered(type="test", data={"number": number})
        case "snapshot":
            return stream, SnapshotRequested(session="s", vm="vm-1", vcpu_count=1, memory_mb=128)
        case "span":
            return stream, SpanRecorded(session="s", turn=number, data={"name": "n", "type": 1})
        case "device":
            return stream, DeviceRegistered(user_agent="a", name="Other 0")
        case _:
            return stream, _created(source, number)


def _created(source: random.Random, number: int) -> SessionCreated:
    return SessionCreated(
        kind=source.choice(KINDS),
        dialect=source.choice(("native", "wave")),
        owner=f"key:{number % 2}",
        status=source.choice(("pending", "running")),
        max_duration_s=source.choice((60, 3600)),
        idle_timeout_s=source.choice((None, 60)),
        title=source.choice(("", "Größe", "Nightly 100%", "a_b")),
        labels=some(source, LABELS),
        metadata={key: source.choice(METADATA) for key in some(source, KEYS)},
        spec={"url": source.choice(("https://EXAMPLE.org", "İx", "")), "n": 1, **_refs(source)},
        work=source.choice((None, None, WorkTerms(requires=("gpu",)))),
    )


def _refs(source: random.Random) -> dict[str, Any]:
    return {name: source.choice(values) for name, values in REFS.items() if source.random() < _REFS}


def some(source: random.Random, words: tuple[str, ...]) -> tuple[str, ...]:
    """A few of `words`, none twice."""
    return tuple(source.sample(words, source.randrange(len(words))))


def _later(source: random.Random, stream: str) -> Fact:
    if stream.startswith("vm/"):
        return source.choice(
            (VmStarted(acceleration="kvm"), VmReady(boot_ms=1), VmLost(reason="runtime_lost"))
        )
    if stream.startswith("snapshot/"):
        return source.choice((SnapshotReady(size=7), SnapshotDeleted()))
    if stream.startswith("key/"):
        return KeyRevoked()
    if stream.startswith("span/"):
        again = SpanRecorded(session="s", turn=source.randrange(3), data={"type": "TOOL"})
        return source.choice((again, again, SpanDeleted()))
    if stream.startswith("catalog/"):
        changed = CatalogChanged(data={source.choice(KEYS): source.choice(METADATA)})
        return source.choice((changed, changed, CatalogDeleted()))
    if stream.startswith("device/"):
        said = ChannelPosted(type="start_session", data={"n": 1})
        return source.choice((said, DeviceRemoved(reason="idle_timeout")))
    was, to = source.choice(STATUSES), source.choice(STATUSES)
    return source.choice(
        (
            SessionStatusChanged(was=was, to=to, reason="requested"),
            SessionStatusChanged(was=was, to=to, reason="requested", detail="x"),
            SessionLabelled(labels=some(source, LABELS)),
            SessionConfigured(metadata={key: source.choice(METADATA) for key in KEYS[:3]}),
            SessionActive(at=1_700_000_000_000_000 + source.randrange(10**9)),
            SessionExtended(max_duration_s=source.randrange(1, 10**6)),
            *[MessageAdded(id="m", role="user", content="words")] * 3,
            *[SessionDeleted(reason="requested")] * 2,
            SessionConfigured(spec=_refs(source)),
            *_work(source),
        )
    )


def _work(source: random.Random) -> tuple[Fact, ...]:
    generation, index = source.randrange(1, 4), source.randrange(4)
    return (
        WorkOffered(terms=WorkTerms(attempts_max=generation)),
        WorkClaimed(generation=generation, worker="w", lease_s=30),
        WorkReleased(generation=generation, why=source.choice(("drained", "lapsed", "refused"))),
        AgentReported(acus=source.random()),
        TurnRecorded(index=index, data={"n": index}),
        TurnChanged(index=index, data={"n": None}),
        TurnRemoved(index=index),
    )


@contextlib.asynccontextmanager
async def closing_snapshots() -> AsyncIterator[None]:
    """Close in the end whatever a test opened and, since it failed, did not close."""
    made: list[Snapshots] = []

    def record(self: Snapshots, folder: Path, epoch: str) -> None:
        init(self, folder, epoch)
        made.append(self)

    init = Snapshots.__init__
    with mock.patch.object(Snapshots, "__init__", record):
        yield
    for one in made:
        await one.close()


async def grown(log: AnyLog, seed: int, count: int, streams: int = 12) -> list[Commit]:
    """All commits of the log after `count` of `wishes` went in."""
    for wish in wishes(seed, count, streams):
        await log.append(wish)
    return await log.commits(Position(0), count + 1)


def folded(commits: list[Commit], position: int) -> dict[str, Any]:
    """The law: every state as of `position`, by stream, from a fold of everything up to it."""
    states: dict[str, Any] = {}
    for commit in commits[:position]:
        subject = subject_of(commit.stream)
        if subject is not None:
            state = fold(subject, states.get(commit.stream), commit)
            if state is not None:
                states[commit.stream] = state
    return states
