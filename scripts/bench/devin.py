"""Devin's sessions: creates, reads, and lists of 100,000 by tag, in both generations of its API."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.commit import START, Append
from projections.events import CODEC
from projections.events.session import MessageAdded, SessionCreated
from projections.events.status import Status
from projections.folds.session import PREFIX
from scripts.bench.dialects import CREATE_SHARE_MIN, creating, judged, listing, reading
from scripts.bench.events import (
    DURATION_S,
    LABELS,
    TENANT,
    append_all,
    build_views,
    label,
    skewed,
    wish,
)
from scripts.bench.processes import request, service
from scripts.bench.report import Options, Result
from scripts.bench.sides import outcome
from sessions import ids
from sessions.dialects.devin.ids import devin_id

V1: Final = "/devin/v1/sessions"
V3: Final = f"/devin/v3/organizations/org-{TENANT}/sessions"
READ: Final = 10_000
TALKATIVE: Final = 10
"""Every so many sessions has messages, which v1 shows with it."""


def devin(options: Options) -> Result:
    """Durable creates, and reads, against a handler that decodes and answers the same bytes."""
    data, sessions = _built(options)
    copy = shutil.copytree(data, options.folder / "devin-create")
    with service(copy) as server:
        created = creating(options, server, _posts(options, V1), 200)
        of_v3 = creating(options, server, _posts(options, V3), 200)
    shutil.rmtree(copy)
    silent = [one for number, one in enumerate(sessions) if number % TALKATIVE][:READ]
    talkative = sessions[::TALKATIVE][:READ]
    with service(data) as server:
        reads = {
            "get": reading(options, server, _gets(V1, silent)),
            "get v3": reading(options, server, _gets(V3, silent)),
        }
        with_messages = reading(options, server, _gets(V1, talkative))
        tails = listing(options, server, _lists())
    result = judged("devin", created, reads, tails)
    v3, talking = outcome("create v3", *of_v3), outcome("get with messages", *with_messages)
    result.ok = result.ok and v3.ratio >= CREATE_SHARE_MIN
    for one in (v3, talking):
        result.notes[one.name] = [one.value, one.limit, one.ratio, one.cpu_us_per_op]
    return result


def _posts(options: Options, path: str) -> list[bytes]:
    source = random.Random(options.seed)
    return [
        request("POST", path, body=msgspec.json.encode(_body(source, number)))
        for number in range(100)
    ]


def _body(source: random.Random, number: int) -> dict[str, Any]:
    return {
        "prompt": f"Review pull request {number} and say what is wrong with it.",
        "tags": [label(skewed(source, LABELS)), "review"],
        "title": f"Review {number}",
        "max_acu_limit": 10,
        "playbook_id": None,
    }


def _gets(path: str, sessions: Sequence[str]) -> list[bytes]:
    return [request("GET", f"{path}/{devin_id(one)}") for one in sessions]


def _lists() -> dict[str, Sequence[str]]:
    """Common and rare tags, one and several."""
    tags = [label(number) for number in range(0, LABELS, 5)]
    pairs = list(zip(tags, reversed(tags), strict=True))
    return {
        "by tag": [f"{V1}?tags={tag}&limit=50" for tag in tags],
        "by one of two tags": [f"{V1}?tags={one}&tags={two}&limit=50" for one, two in pairs],
        "by tag, page 11": [f"{V1}?tags={tag}&limit=50&offset=500" for tag in tags],
        "newest": [f"{V1}?limit=50"],
    }


def _built(options: Options) -> tuple[Path, list[str]]:
    """The folder of a log of agents with its views, and the ids of its sessions."""
    count = options.size(100_000, 2_000)
    source = random.Random(options.seed)
    sessions = [_id(source, number) for number in range(count)]
    path = options.folder / f"devin-{count}"
    if not (path / "views.db").exists():
        wishes = itertools.chain.from_iterable(
            _history(source, number, session) for number, session in enumerate(sessions)
        )
        asyncio.run(append_all(path, wishes))
        asyncio.run(build_views(path))
    return path, sessions


def _id(source: random.Random, number: int) -> str:
    digits = f"{number:012x}{source.getrandbits(80):020x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _history(source: random.Random, number: int, session: str) -> Iterator[Append]:
    status: Status = ("queued", "running", "completed", "stopped")[number % 4]
    created = SessionCreated(
        kind="agent",
        dialect="devin",
        owner=f"key:user-{number % 100}",
        status=status,
        max_duration_s=DURATION_S,
        title=f"Review {number}",
        labels=tuple(dict.fromkeys(label(skewed(source, LABELS)) for _ in range(2))),
        spec={
            "prompt": f"Review pull request {number} and say what is wrong with it.",
            "max_acu_limit": 10,
            "secret_ids": None,
            "knowledge_ids": None,
            "playbook_id": None,
            "structured_output_schema": None,
            "session_secrets": [],
        },
    )
    yield wish(PREFIX + session, CODEC.encode(created), START)
    if not number % TALKATIVE:
        for role in ("user", "agent"):
            said = MessageAdded(id=ids.uuid7(), role=role, content="What does the test say now?")
            yield wish(PREFIX + session, CODEC.encode(said))
