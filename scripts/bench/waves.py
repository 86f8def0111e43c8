"""A WAVE session of 10,000 tests and fifty devices: tests out, results in, and idle long polls."""

from __future__ import annotations

import http.client
import select
import socket
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.bench.processes import Answered, Load, Server, bare, generate, request, service
from scripts.bench.report import Options, Result, compared, median_latency

API: Final = "/_wave/api"
APIS: Final = 20
FOLDERS: Final = 10
DEVICES: Final = 50
POLLS: Final = 1_000
NEXT_MS_MAX: Final = 15.0
SHARE_MIN: Final = 0.4
POLLS_MIB_MAX: Final = 60.0
INCLUDE_MS_MAX: Final = 100.0
SECONDS_MAX: Final = 120.0
SETTLE_S: Final = 2.0
# A result is sent so many tests after its test went out, so that it is surely out.
LAG: Final = 2 * DEVICES
SUBTESTS: Final = 5


class Walked(msgspec.Struct, frozen=True):
    """One session: all its tests asked for, then all results posted, by all devices at once."""

    nexts: Answered
    posts: Answered
    cpu_us: float


def wave(options: Options) -> Result:
    """Durable results against a handler that decodes the same body and answers nothing."""
    paths = _test_set(options.folder / "wave-tests", options.size(10_000, 400))
    rounds: list[tuple[Walked, Answered, float]] = []
    together: list[Answered] = []
    with service(
        options.folder / "wave", "--wave-tests", str(options.folder / "wave-tests")
    ) as server:
        _walk(server, paths)  # the first one warms up
        with bare(options.folder, {}) as other:
            for _ in range(options.rounds):
                ours = _walk(server, paths)
                cpu = other.cpu_s()
                limit = generate(_load(other, [_post("0" * 36, path) for path in paths]))
                rounds.append((ours, limit, (other.cpu_s() - cpu) / limit.sent * 1e6))
                together.append(_walk_at_once(server, paths))
        include_ms = max(_include_ms(server, paths) for _ in range(options.rounds))
        polls = options.size(POLLS, 50)
        held_mib = _held_mib(server, polls)
    result = _result(rounds, together)
    result.ok = result.ok and include_ms <= INCLUDE_MS_MAX and held_mib <= POLLS_MIB_MAX
    result.notes |= {
        "idle_polls": polls,
        "idle_polls_mib": round(held_mib, 1),
        "half_of_the_tests_included_by_name_ms": round(include_ms, 1),
    }
    return result


def _result(
    rounds: Sequence[tuple[Walked, Answered, float]], together: Sequence[Answered]
) -> Result:
    found = compared([(ours.posts.rate, limit.rate) for ours, limit, _ in rounds])
    nexts = median_latency([ours.nexts.latency for ours, _, _ in rounds])
    return Result(
        name="wave",
        **found,
        unit="results/s",
        target=(
            f"ratio >= {SHARE_MIN}; next p99 <= {NEXT_MS_MAX} ms;"
            f" {POLLS} polls <= {POLLS_MIB_MAX} MiB; include <= {INCLUDE_MS_MAX} ms"
        ),
        ok=found["ratio"] >= SHARE_MIN and nexts.p99 <= NEXT_MS_MAX,
        latency_ms=median_latency([ours.posts.latency for ours, _, _ in rounds]),
        limit_latency_ms=median_latency([limit.latency for _, limit, _ in rounds]),
        cpu_us_per_op=round(statistics.median(ours.cpu_us for ours, _, _ in rounds), 1),
        limit_cpu_us_per_op=round(statistics.median(cpu for _, _, cpu in rounds), 1),
        notes={
            "next_ms": f"p50 {nexts.p50} p95 {nexts.p95} p99 {nexts.p99} p99.9 {nexts.p999}",
            "next_per_s": round(statistics.median(ours.nexts.rate for ours, _, _ in rounds), 1),
            "next_and_post_per_s": round(statistics.median(one.rate for one in together), 1),
            "next_and_post_p99_ms": median_latency([one.latency for one in together]).p99,
        },
    )


def _walk(server: Server, paths: Sequence[str]) -> Walked:
    token = _started(server)
    nexts = generate(_load(server, [_next(token)], len(paths)))
    cpu = server.cpu_s()
    posts = generate(_load(server, [_post(token, path) for path in paths]))
    cpu_us = (server.cpu_s() - cpu) / posts.sent * 1e6
    _check_taken(server, token, len(paths))
    return Walked(nexts, posts, cpu_us)


def _walk_at_once(server: Server, paths: Sequence[str]) -> Answered:
    """Tests out and results in at the same time, as devices do it."""
    token = _started(server)
    requests = [_next(token)] * LAG
    for path in paths[:-LAG]:
        requests += [_next(token), _post(token, path)]
    requests += [_post(token, path) for path in paths[-LAG:]]
    answered = generate(_load(server, requests))
    _check_taken(server, token, len(paths))
    return answered


def _check_taken(server: Server, token: str, tests: int) -> None:
    """Answers of ignored results look the same: without this the figures would mean nothing.

    The requests on their way when a load ends are not waited for.
    """
    counts = _call(server, "GET", f"/results/{token}/compact")
    complete = sum(api["complete"] for api in counts.values())
    if complete < tests - 2 * DEVICES:
        raise RuntimeError(f"only {complete} of {tests} results were taken")


def _include_ms(server: Server, paths: Sequence[str]) -> float:
    """How long a session takes to start that names every second test."""
    include = [f"{path}?a=1" for path in paths[::2]]
    token = _call(server, "POST", "/sessions", {"tests": {"include": include}})["token"]
    began = time.perf_counter()
    _call(server, "POST", f"/sessions/{token}/start")
    took = time.perf_counter() - began
    counts = _call(server, "GET", f"/results/{token}/compact")
    if sum(api["total"] for api in counts.values()) != len(include):
        raise RuntimeError("the session did not select what it names")
    return took * 1000


def _held_mib(server: Server, polls: int) -> float:
    """The memory that open long polls take, each on its own session."""
    tokens = [_made(server) for _ in range(polls)]
    before = server.rss_bytes()
    with ExitStack() as stack:
        sockets = []
        for token in tokens:
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            one.sendall(request("GET", f"{API}/sessions/{token}/events", key=""))
            sockets.append(one)
        time.sleep(SETTLE_S)
        poll = select.poll()
        for one in sockets:
            poll.register(one, select.POLLIN)
        if poll.poll(0):
            raise RuntimeError("a long poll was answered though nothing happened")
        return (server.rss_bytes() - before) / (1 << 20)


def _load(server: Server, requests: list[bytes], count: int | None = None) -> Load:
    return Load(
        port=server.port,
        requests=requests,
        status=200,
        connections=DEVICES,
        seconds=SECONDS_MAX,
        warm_up_s=0.0,
        requests_max=len(requests) if count is None else count,
    )


def _next(token: str) -> bytes:
    return request("GET", f"{API}/tests/{token}/next", key="")


def _post(token: str, path: str) -> bytes:
    subtests = [
        {"name": f"part {number} of {path}", "status": 0, "message": None, "stack": None}
        for number in range(SUBTESTS)
    ]
    body = {"test": path, "status": 0, "message": None, "stack": None, "tests": subtests}
    return request("POST", f"{API}/results/{token}", key="", body=msgspec.json.encode(body))


def _started(server: Server) -> str:
    token = _made(server)
    _call(server, "POST", f"/sessions/{token}/start")
    return token


def _made(server: Server) -> str:
    token: str = _call(server, "POST", "/sessions", {})["token"]
    return token


def _call(server: Server, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        given = None if body is None else msgspec.json.encode(body)
        connection.request(method, API + path, given, {"User-Agent": "bench"})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {content!r}")
    return msgspec.json.decode(content) if content else None


def _test_set(folder: Path, count: int) -> list[str]:
    """A folder of so many tests with its manifest; their paths in the order of execution."""
    tree: dict[str, Any] = {}
    paths = []
    for number in range(count):
        api, inner = f"api-{number % APIS:02}", f"folder-{number // APIS % FOLDERS}"
        name = f"test-{number:05}.html"
        place = folder / api / inner
        place.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
        tree.setdefault(api, {}).setdefault(inner, {})[name] = ["", [None, {}]]
        paths.append(f"/{api}/{inner}/{name}")
    manifest = {"version": 8, "url_base": "/", "items": {"testharness": tree}}
    (folder / "MANIFEST.json").write_bytes(msgspec.json.encode(manifest))
    return sorted(paths)
