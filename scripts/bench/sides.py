"""The service and its limit under the same load of HTTP requests, turn by turn."""

from __future__ import annotations

import statistics
import urllib.request
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from scripts.bench.processes import ADMIN_KEY, Answered, Load, Server, generate
from scripts.bench.report import Options, Result, compared, median_latency

CONNECTIONS: Final = 64
Sides = tuple[list[Answered], list[Answered], list[tuple[float, float]]]
"""What the service and the limit answered, and the CPU time of each per request, by rounds."""


def load_of(options: Options, server: Server, requests: list[bytes], status: int) -> Load:
    """These requests in turn over 64 connections, for the time that the options give."""
    return Load(
        port=server.port,
        requests=requests,
        status=status,
        connections=CONNECTIONS,
        seconds=options.size(50, 5) / 10,
        warm_up_s=options.size(10, 1) / 10,
    )


def alternate(options: Options, ours: Server, theirs: Server, load: Load) -> Sides:
    """The same load on the service and on the limit, turn by turn, with the CPU time of each."""
    answered: tuple[list[Answered], list[Answered]] = ([], [])
    cpu: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        used = []
        for side, server in zip(answered, (ours, theirs), strict=True):
            before = server.cpu_s()
            seen = generate(replace(load, port=server.port))
            used.append((server.cpu_s() - before) / seen.sent)
            side.append(seen)
        cpu.append((used[0], used[1]))
    return (*answered, cpu)


def outcome(
    name: str,
    ours: Sequence[Answered],
    theirs: Sequence[Answered],
    cpu: Sequence[tuple[float, float]],
) -> Result:
    """The figures of both sides; its target is for the caller to say."""
    return Result(
        name=name,
        **compared([(a.rate, b.rate) for a, b in zip(ours, theirs, strict=True)]),
        unit="requests/s",
        target="",
        ok=False,
        latency_ms=median_latency([one.latency for one in ours]),
        limit_latency_ms=median_latency([one.latency for one in theirs]),
        cpu_us_per_op=round(statistics.median(used for used, _ in cpu) * 1e6, 1),
        limit_cpu_us_per_op=round(statistics.median(used for _, used in cpu) * 1e6, 1),
        notes={
            "generator_busy": [max(one.busy for one in side) for side in (ours, theirs)],
            "wrong_answers": sum(one.wrong for one in (*ours, *theirs)),
        },
    )


def tenant_key(server: Server) -> str:
    """A key of one tenant: an admin's lists span tenants, most callers' do not."""
    made = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/keys",
        data=b'{"name": "bench"}',
        headers={"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(made, timeout=30) as answer:
        found: str = msgspec.json.decode(answer.read())["key"]
    return found
