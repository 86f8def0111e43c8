"""One event to a thousand observers, against a loop that writes a prebuilt frame to each."""

from __future__ import annotations

import base64
import statistics
import urllib.request
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from scripts.bench.observers import MARK, Crowd, Observed
from scripts.bench.processes import ADMIN_KEY, Server, bare, conversation, request, service
from scripts.bench.report import Options, Result, compared, median_latency

OBSERVERS: Final = 1_000
SHARE_MIN: Final = 0.6
RSS_KIB_MAX: Final = 40.0
# So many events on their way at once let the service send several in one write.
MANY: Final = 16
HEADER_BYTES: Final = 4
SESSIONS: Final = "/api/v1/sessions"
OBSERVE: Final = "/api/v1/observe"
TEXT: Final = "the quick brown fox jumps over the lazy dog"


class Seen(msgspec.Struct, frozen=True):
    """What a crowd saw, and what the server paid for it."""

    observed: Observed
    cpu_us: float
    idle_kib: float

    @property
    def rate(self) -> float:
        """Deliveries per second."""
        return self.observed.deliveries / self.observed.seconds


def fanout(options: Options) -> Result:
    """Deliveries of events one by one, so that both sides make one write per delivery."""
    observers = options.size(OBSERVERS, 50)
    single: list[tuple[Seen, Seen]] = []
    many: list[tuple[Seen, Seen]] = []
    with service(options.folder / "fanout") as server:
        posts = [_post(_session(server)) for _ in range(MANY)]
        crowd = Crowd(
            port=server.port,
            observers=observers,
            handshake=_handshake(),
            posts=posts[:1],
            seconds=options.size(40, 3) / 10,
            warm_up_s=options.size(5, 1) / 10,
            settle_s=options.size(5, 1) / 10,
        )
        first = _seen(options.folder, server, replace(crowd, seconds=0.5))
        size = round(first.observed.frame_bytes) - HEADER_BYTES
        frame = MARK + b"x" * (size - len(MARK))
        with bare(options.folder, {"frame": frame}) as other:
            _seen(options.folder, other, replace(crowd, port=other.port, seconds=0.5))
            for _ in range(options.rounds):
                for rounds, given in ((single, posts[:1]), (many, posts)):
                    one = replace(crowd, posts=given)
                    ours = _seen(options.folder, server, one)
                    limit = _seen(options.folder, other, replace(one, port=other.port))
                    rounds.append((ours, limit))
    return _result(single, many, first.idle_kib, observers)


def _result(
    single: list[tuple[Seen, Seen]],
    many: list[tuple[Seen, Seen]],
    idle_kib: float,
    observers: int,
) -> Result:
    found = compared([(a.rate, b.rate) for a, b in single])
    batched = compared([(a.rate, b.rate) for a, b in many])
    ours = [a.observed for a, _ in single]
    return Result(
        name="fanout",
        **found,
        unit="deliveries/s",
        target=f"ratio >= {SHARE_MIN}; <= {RSS_KIB_MAX} KiB per idle observer",
        ok=found["ratio"] >= SHARE_MIN and idle_kib <= RSS_KIB_MAX,
        latency_ms=median_latency([one.latency for one in ours]),
        limit_latency_ms=median_latency([b.observed.latency for _, b in single]),
        cpu_us_per_op=round(statistics.median(a.cpu_us for a, _ in single), 2),
        limit_cpu_us_per_op=round(statistics.median(b.cpu_us for _, b in single), 2),
        notes={
            "observers": observers,
            "idle_kib_per_observer": round(idle_kib, 1),
            "limit_idle_kib": round(statistics.median(b.idle_kib for _, b in single), 1),
            "frame_bytes": round(ours[0].frame_bytes),
            "events_per_s": round(ours[0].events / ours[0].seconds, 1),
            "generator_busy": [max(seen.observed.busy for seen in side) for side in _sides(single)],
            f"{MANY}_in_flight_per_s": [batched["value"], batched["limit"], batched["ratio"]],
            f"{MANY}_in_flight_cpu_us": [
                round(statistics.median(seen.cpu_us for seen in side), 2) for side in _sides(many)
            ],
        },
    )


def _sides(rounds: list[tuple[Seen, Seen]]) -> tuple[list[Seen], list[Seen]]:
    return [ours for ours, _ in rounds], [limit for _, limit in rounds]


def _seen(folder: Path, server: Server, crowd: Crowd) -> Seen:
    spec = folder / "crowd.spec"
    spec.write_bytes(msgspec.msgpack.encode(crowd))
    before = server.rss_bytes()
    with conversation("scripts.bench.observers", str(spec)) as crowd_process:
        crowd_process.wait_for("connected")
        idle = server.rss_bytes() - before
        cpu = server.cpu_s()
        observed = msgspec.msgpack.decode(crowd_process.answer("go"), type=Observed)
        share = crowd.seconds / (crowd.seconds + crowd.warm_up_s)
        cpu_us = (server.cpu_s() - cpu) * share / observed.deliveries * 1e6
    return Seen(observed, cpu_us, idle / 1024 / crowd.observers)


def _handshake() -> bytes:
    key = base64.b64encode(b"sixteen bytes...").decode()
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    return request("GET", OBSERVE, headers=f"{upgrade}Sec-WebSocket-Key: {key}\r\n")


def _session(server: Server) -> str:
    made = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{SESSIONS}",
        data=b'{"kind": "agent", "status": "running"}',
        headers={"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(made, timeout=30) as answer:
        found: str = msgspec.json.decode(answer.read())["id"]
    return found


def _post(session: str) -> bytes:
    body = msgspec.json.encode({"content": TEXT})
    return request("POST", f"{SESSIONS}/{session}/messages", body=body)
