"""BENCHMARKS.md from what run.py printed: table.py RESULTS_FILE > BENCHMARKS.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

HEAD = """# Benchmarks

Each value is a ratio to a limit that was measured in the same run, since an absolute time proves
little on a shared machine. `scripts/bench/run.py all | tee results.txt` measures them,
`scripts/bench/table.py results.txt` makes this page. Server and load generator are pinned to a core
each, but in `vm` and `browser`, whose machines and browsers use both; the log is
`synchronous=FULL` on both sides of a comparison.

| bench | value | limit | ratio | CPU us an operation (limit) | p50 / p99 ms | target | |
|---|---|---|---|---|---|---|---|"""


def rows(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line of the table per result."""
    for found in results:
        latency = found.get("latency_ms") or {}
        times = f"{latency['p50']:.1f} / {latency['p99']:.1f}" if latency else ""
        cpu = found.get("cpu_us_per_op")
        limit_cpu = found.get("limit_cpu_us_per_op")
        cells = (
            found["name"],
            f"{_number(found['value'])} {found['unit']}",
            _number(found["limit"]),
            f"{found['ratio']:.2f}",
            f"{_number(cpu)} ({_number(limit_cpu)})" if cpu and limit_cpu else "",
            times,
            found["target"],
            "met" if found["ok"] else "missed",
        )
        yield "| " + " | ".join(cells) + " |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def page(lines: Iterable[str]) -> str:
    """The whole page from the lines that run.py printed."""
    results = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
    last = results[-1]
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    foot = f"\n{last['cpus']} cores, Linux {last['kernel']}; {versions}; commit {last['git']}.\n"
    return "\n".join((HEAD, *rows(results), foot))


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1]).read_text("utf-8").splitlines()))
