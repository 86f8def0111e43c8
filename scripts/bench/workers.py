"""Sessions done by workers: from the prompt to the start of its command, and a long queue."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.bench.processes import ADMIN_KEY, STOP_S_MAX, Server, service
from scripts.bench.report import ROOT, Options, Result, compared, median_latency, percentiles

API: Final = "/api/v1"
WORKERS: Final = 4
SLOTS: Final = 2
QUEUED: Final = 1_000
STARTED_MS_MAX: Final = 30.0
DRAIN_S_MAX: Final = 300.0
# A worker that has just told the end of one session is about to ask for the next one.
PAUSE_S: Final = 0.02
PROMPT: Final = "Say hello"


class Drained(msgspec.Struct, frozen=True):
    """A queue that was worked off: how many were done in a second, and were they done right."""

    rate: float
    cpu_us: float
    twice: int


def worker(options: Options) -> Result:
    """A queue against the same commands with nobody who asks for them."""
    rounds: list[tuple[Drained, float]] = []
    count = options.size(QUEUED, 30)
    with service(options.folder / "work", "--vm", "off", "--browsers", "off", pinned=False) as one:
        with workers(one, options.folder, 1, ["cat"]):
            _started_s(one)  # the first one waits for the worker itself
            times = range(options.size(100, 5))
            started = [[_started_s(one) for _ in times] for _ in range(options.rounds)]
        for number in range(options.rounds):
            traces = options.folder / f"traces-{number}"
            command = ["sh", "-c", f'cat; echo "$SESSIOND_SESSION" >>"{traces}"']
            rounds.append((_drain(one, options.folder, command, traces, count), _bare(count)))
    found = compared([(ours.rate, limit) for ours, limit in rounds])
    latency = median_latency([percentiles(some) for some in started])
    twice = sum(ours.twice for ours, _ in rounds)
    return Result(
        name="worker",
        **found,
        unit="sessions/s",
        target=(
            f"prompt to started p50 <= {STARTED_MS_MAX:g} ms;"
            f" {QUEUED:,} queued by {WORKERS} workers, none twice"
        ),
        ok=latency.p50 <= STARTED_MS_MAX and not twice,
        latency_ms=latency,
        cpu_us_per_op=round(sorted(ours.cpu_us for ours, _ in rounds)[len(rounds) // 2], 1),
        notes={
            "queued": count,
            "workers": f"{WORKERS} of {SLOTS} slots",
            "run_twice": twice,
            "limit": "the same command, started and waited for by as many threads",
        },
    )


@contextmanager
def workers(server: Server, folder: Path, count: int, command: Sequence[str]) -> Iterator[None]:
    """So many workers with SLOTS slots each, stopped with the block."""
    line = [sys.executable, "-m", "sessions", "work", "--url", f"http://127.0.0.1:{server.port}"]
    line += ["--kind", "agent", "--slots", str(SLOTS), "--", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SESSIOND_KEY": ADMIN_KEY}
    with ExitStack() as stack:
        errors = stack.enter_context((folder / "workers.stderr").open("a"))
        for _ in range(count):
            process = subprocess.Popen(
                line, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=errors
            )
            stack.callback(_end, process)
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _started_s(server: Server) -> float:
    """How long a prompt waits until its command runs."""
    with _Calls(server) as calls:
        began = time.perf_counter()
        session = calls.make()
        calls.wait_for(session, "running,ended")
        took = time.perf_counter() - began
        calls.wait_for(session, "ended")
    time.sleep(PAUSE_S)
    return took


def _drain(
    server: Server, folder: Path, command: Sequence[str], traces: Path, count: int
) -> Drained:
    with _Calls(server) as calls:
        mine = [calls.make() for _ in range(count)]
        used = server.cpu_s()
        with workers(server, folder, WORKERS, command):
            for session in mine:
                calls.wait_for(session, "ended")
        cpu_us = (server.cpu_s() - used) / count * 1e6
        done = [calls.get(session) for session in mine]
    if any(one["status"] != "completed" for one in done):
        raise RuntimeError("a session of the queue was not completed")
    begun = min(_at(one["started_at"]) for one in done)
    rate = count / (max(_at(one["ended_at"]) for one in done) - begun)
    ran = traces.read_text().split()
    if set(ran) != set(mine):
        raise RuntimeError("a session of the queue was not run")
    again = sum(one["work"]["attempts"] - 1 for one in done)
    return Drained(rate, cpu_us, max(len(ran) - count, again))


def _bare(count: int) -> float:
    """The same command, so many times, in as many threads as there are slots; runs per second."""
    command = ["sh", "-c", 'cat; echo "$SESSIOND_SESSION" >>/dev/null']

    def run(_: int) -> None:
        subprocess.run(command, input=PROMPT.encode(), stdout=subprocess.PIPE, check=True)

    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS * SLOTS) as threads:
        list(threads.map(run, range(count)))
    return count / (time.perf_counter() - began)


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class _Calls:
    """One keep-alive connection to the native API."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def __enter__(self) -> _Calls:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def make(self) -> str:
        """A session that waits for a worker."""
        made: str = self._call("POST", "/sessions", {"kind": "agent", "spec": {"prompt": PROMPT}})[
            "id"
        ]
        return made

    def get(self, session: str, query: str = "") -> Any:
        """A session."""
        return self._call("GET", f"/sessions/{session}{query}")

    def wait_for(self, session: str, statuses: str) -> None:
        """Return when it has one of them."""
        give_up = time.monotonic() + DRAIN_S_MAX
        query = f"?wait=status:{statuses}&timeout=30"
        while True:
            found = self.get(session, query)
            if found["ended_at"] or found["status"] in statuses:
                return
            if time.monotonic() > give_up:
                raise RuntimeError(f"a session is still {found['status']}")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        given = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        self._connection.request(method, API + path, given, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {content!r}")
        return msgspec.json.decode(content)
