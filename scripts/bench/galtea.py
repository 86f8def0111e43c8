"""Galtea's sessions: creates, reads, and lists of 100,000 by custom id and by version."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.commit import START, Append
from projections.events import CODEC
from projections.events.catalog import CatalogEntered
from projections.events.session import SessionCreated
from projections.events.status import Status
from projections.folds.catalog import PREFIX as ENTRY
from projections.folds.session import PREFIX
from scripts.bench.dialects import creating, judged, listing, reading
from scripts.bench.events import DURATION_S, append_all, build_views, skewed, wish
from scripts.bench.processes import request, service
from scripts.bench.report import Options, Result
from sessions.dialects.uuids import public_id

URL: Final = "/galtea/sessions"
VERSIONS: Final = 20
READ: Final = 10_000
LOOKED_UP: Final = 500


class Known(msgspec.Struct, frozen=True):
    """What there is to ask for: the ids of versions and of some sessions, by what clients see."""

    versions: list[str]
    sessions: list[str]
    pairs: list[tuple[str, str]]
    """Custom ids, each with its version."""


def galtea(options: Options) -> Result:
    """Durable creates, and reads, against a handler that decodes and answers the same bytes."""
    data, known = _built(options)
    copy = shutil.copytree(data, options.folder / "galtea-create")
    with service(copy) as server:
        created = creating(options, server, _posts(options, known), 201)
    shutil.rmtree(copy)
    with service(data) as server:
        gets = [request("GET", f"{URL}/{one}") for one in known.sessions]
        read = reading(options, server, gets)
        tails = listing(options, server, _lists(known))
    return judged("galtea", created, {"get": read}, tails)


def _posts(options: Options, known: Known) -> list[bytes]:
    source = random.Random(options.seed)
    bodies = ({**_body(known, source), "status": "PENDING"} for _ in range(100))
    return [request("POST", URL, body=msgspec.json.encode(body)) for body in bodies]


def _body(known: Known, source: random.Random) -> dict[str, Any]:
    """A session as the client sends it, which says null for what it does not know."""
    return {
        "versionId": source.choice(known.versions),
        "context": "what the conversation is about",
        "metadata": {"channel": "chat", "priority": 3},
        "isProduction": None,
    }


def _lists(known: Known) -> dict[str, Sequence[str]]:
    by_version = [f"{URL}?versionIds[]={version}&limit=50" for version in known.versions]
    return {
        "by custom id": [
            f"{URL}?customIds[]={name}&versionIds[]={version}" for name, version in known.pairs
        ],
        "by version": by_version,
        "by version, oldest first": [f"{one}&sort[]=createdAt&sort[]=asc" for one in by_version],
        "by version and status": [f"{one}&statuses[]=COMPLETED" for one in by_version],
        "by version, page 11": [f"{one}&offset=500" for one in by_version],
        "newest": [f"{URL}?limit=50"],
    }


def _built(options: Options) -> tuple[Path, Known]:
    """The folder of a log of evaluations with its views, and what is in it."""
    count = options.size(100_000, 2_000)
    source = random.Random(options.seed)
    product, *versions = (_uuid(source) for _ in range(VERSIONS + 1))
    sessions = [(_uuid(source), versions[skewed(source, VERSIONS)]) for _ in range(count)]
    path = options.folder / f"galtea-{count}"
    if not (path / "views.db").exists():
        wishes = itertools.chain(_entries(product, versions), _history(product, sessions))
        asyncio.run(append_all(path, wishes))
        asyncio.run(build_views(path))
    numbers = source.sample(range(count), min(READ, count))
    known = Known(
        versions=[public_id("version", one) for one in versions],
        sessions=[public_id("session", sessions[number][0]) for number in numbers],
        pairs=[
            (_custom_id(number), public_id("version", sessions[number][1]))
            for number in numbers[:LOOKED_UP]
        ],
    )
    return path, known


def _uuid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128)))


def _custom_id(number: int) -> str:
    return f"conversation-{number}"


def _entries(product: str, versions: Sequence[str]) -> Iterator[Append]:
    made = CatalogEntered(type="product", data={"name": "bench", "description": ""})
    yield wish(ENTRY + product, CODEC.encode(made), START)
    for number, version in enumerate(versions, 1):
        entered = CatalogEntered(type="version", parent=product, data={"number": number})
        yield wish(ENTRY + version, CODEC.encode(entered), START)


def _history(product: str, sessions: Sequence[tuple[str, str]]) -> Iterator[Append]:
    for number, (session, version) in enumerate(sessions):
        status: Status = ("pending", "pending", "completed", "failed")[number % 4]
        created = SessionCreated(
            kind="evaluation",
            dialect="galtea",
            owner="key:bench",
            status=status,
            max_duration_s=DURATION_S,
            metadata={"channel": "chat", "priority": number % 5},
            spec={
                "versionId": public_id("version", version),
                "productId": public_id("product", product),
                "customId": _custom_id(number),
                "isProduction": number % 2 == 0,
                "context": {"value": "what the conversation is about"},
            },
        )
        yield wish(PREFIX + session, CODEC.encode(created), START)
