"""Requests over HTTP, each against a bare aiohttp handler under the same load."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from scripts.bench.events import built, label, skewed
from scripts.bench.processes import (
    Answered,
    Server,
    bare,
    first_body,
    generate,
    request,
    service,
)
from scripts.bench.report import Options, Result, compared
from scripts.bench.sides import alternate, load_of, outcome, tenant_key

SESSIONS: Final = "/api/v1/sessions"
CREATE_SHARE_MIN: Final = 0.55
CREATE_TAIL_MAX: Final = 4.0
GET_SHARE_MIN: Final = 0.7
LIST_CLIENTS: Final = 8
LIST_MS_MAX: Final = 10.0
# As many as the service keeps in memory: figures of an empty service flatter its tail.
HOT: Final = 50_000


def create(options: Options) -> Result:
    """Durable creates against a handler that decodes the same body and answers as many bytes."""
    # A copy: what is created here must not be in the lists of the next bench.
    data = shutil.copytree(_data(options), options.folder / "create")
    body = msgspec.json.encode(
        {
            "kind": "browser",
            "status": "running",
            "title": "a session of the bench",
            "labels": [label(1), label(2)],
            "metadata": {"project": "p1", "priority": 3},
            "spec": {"url": "https://example.org/a/page", "viewport": {"w": 1280, "h": 720}},
        }
    )
    post = request("POST", SESSIONS, body=body)
    with service(data) as server:
        load = load_of(options, server, [post], 201)
        _preload(options, server, data)
        answer = first_body(load)
        with bare(options.folder, {"create": answer}) as other:
            ours, theirs, cpu = alternate(options, server, other, load)
    shutil.rmtree(data)
    result = outcome("create", ours, theirs, cpu)
    assert result.latency_ms is not None
    assert result.limit_latency_ms is not None
    tail = result.latency_ms.p99 / result.limit_latency_ms.p99
    result.target = f"ratio >= {CREATE_SHARE_MIN}; p99 <= {CREATE_TAIL_MAX} times the limit's"
    result.ok = result.ratio >= CREATE_SHARE_MIN and tail <= CREATE_TAIL_MAX
    result.notes |= {"p99_times": round(tail, 2), "answer_bytes": len(answer)}
    return result


def get(options: Options) -> Result:
    """Reads of sessions in memory against a handler that answers as many bytes."""
    data = _data(options)
    source = random.Random(options.seed)
    chosen = source.sample(_ids(data), options.size(10_000, 500))
    uniform = [request("GET", f"{SESSIONS}/{one}") for one in chosen]
    # A few are read most: clients poll what they wait for.
    gets = [uniform[skewed(source, len(uniform))] for _ in range(2 * len(uniform))]
    with service(data) as server:
        load = load_of(options, server, gets, 200)
        _preload(options, server, data)
        answer = first_body(load)
        with bare(options.folder, {"get": answer}) as other:
            ours, theirs, cpu = alternate(options, server, other, load)
            even = alternate(options, server, other, replace(load, requests=uniform))
    result = outcome("get", ours, theirs, cpu)
    each = outcome("get", *even)
    result.target = f"ratio >= {GET_SHARE_MIN}"
    result.ok = result.ratio >= GET_SHARE_MIN
    result.notes["answer_bytes"] = len(answer)
    result.notes["each_in_turn"] = [each.value, each.limit, each.ratio, each.cpu_us_per_op]
    return result


def list_(options: Options) -> Result:
    """Filtered pages of 50 of 100,000 sessions; the limit answers pages as large."""
    data = _data(options)
    ours: list[Answered] = []
    theirs: list[Answered] = []
    by_filter: dict[str, list[Answered]] = {}
    cpu: list[tuple[float, float]] = []
    with service(data) as server:
        key = tenant_key(server)
        pages = {name: request("GET", f"{SESSIONS}?{name}&limit=50", key) for name in _filters()}
        load = replace(
            load_of(options, server, list(pages.values()), 200), connections=LIST_CLIENTS
        )
        answer = first_body(load)
        with bare(options.folder, {"list": answer}) as other:
            for _ in range(options.rounds):
                one, limit, used = alternate(replace(options, rounds=1), server, other, load)
                ours += one
                theirs += limit
                cpu += used
            for name, page in pages.items():
                short = replace(load, requests=[page], seconds=options.size(10, 1) / 10)
                by_filter[name] = [generate(short)]
                admin = request("GET", f"{SESSIONS}?{name}&limit=50")
                by_filter[f"admin: {name}"] = [generate(replace(short, requests=[admin]))]
    result = outcome("list", ours, theirs, cpu)
    assert result.latency_ms is not None
    assert result.limit_latency_ms is not None
    tails = [(a.latency.p99, b.latency.p99) for a, b in zip(ours, theirs, strict=True)]
    rates = {"pages_per_s": result.value, "limit_pages_per_s": result.limit}
    result = msgspec.structs.replace(result, **compared(tails))
    result.unit = "ms p99"
    result.target = f"p99 <= {LIST_MS_MAX} ms at {LIST_CLIENTS} clients"
    result.ok = result.value <= LIST_MS_MAX
    result.notes |= rates
    result.notes["answer_bytes"] = len(answer)
    for name, runs in by_filter.items():
        result.notes[name] = f"p50 {runs[0].latency.p50} p99 {runs[0].latency.p99} ms"
    return result


def _data(options: Options) -> Path:
    sessions = options.size(100_000, 2_000)
    return built(options.folder, options.seed, sessions, sessions * 2)


def _preload(options: Options, server: Server, data: Path) -> None:
    """Read as many sessions as the service keeps, so that its heap is that of a busy one."""
    gets = [request("GET", f"{SESSIONS}/{one}") for one in _ids(data)[:HOT]]
    load = load_of(options, server, gets, 200)
    generate(replace(load, warm_up_s=0.0, seconds=options.size(60, 5), requests_max=len(gets)))


def _ids(data: Path) -> list[str]:
    with sqlite3.connect(f"file:{data / 'views.db'}?mode=ro", uri=True) as views:
        rows = views.execute("SELECT id FROM sessions ORDER BY created").fetchall()
    views.close()
    return [row[0] for row in rows]


def _filters() -> list[str]:
    """Two filters each; common and rare values, and pairs that few sessions have."""
    return [
        "kind=agent&status=running",
        "kind=test_run&status=completed",
        f"label={label(0)}&kind=browser",
        f"label={label(199)}&kind=vm",
        "owner=key:user-0&status=running",
        "owner=key:user-99&status=pending",
        "owner=key:nobody&status=running",
    ]
