"""Machines of sessions over HTTP: from a create to its first echo, many at once, and at rest."""

from __future__ import annotations

import asyncio
import statistics
from typing import Any, Final

import msgspec

from scripts.bench.machine_calls import Client, echoes_at_once, first_echoes_at_once
from scripts.bench.machine_host import (
    available_mib,
    machines_of,
    proportional_mib,
    wait_for_machines,
)
from scripts.bench.machine_turns import TURN_S_MAX, Turns, turns_of, words_of
from scripts.bench.processes import (
    Conversation,
    Load,
    Server,
    conversation,
    generate,
    request,
    service,
)
from scripts.bench.report import CannotRun, Options, Result, compared, median_latency, percentiles
from sessions.runtimes.vm.availability import obstacle
from sessions.runtimes.vm.image import default_cache

TEMPLATE_S_MAX: Final = 1.2
WARM_S_MAX: Final = 0.4
AT_ONCE: Final = 20
AT_ONCE_S_MAX: Final = 10.0
IDLE_MIB_MAX: Final = 90.0
ECHO_TIMES_MAX: Final = 1.5
IDLE: Final = 10
# Noise of the load generator on two cores; what machines at rest cost must not be more.
CREATE_SHARE_MIN: Final = 0.95
CONNECTIONS: Final = 64


class Creates(msgspec.Struct, frozen=True):
    """Creates per second, and what one costs the service in microseconds of processor time."""

    rate: float
    cpu_us: float


class Seen(msgspec.Struct):
    """What was measured, phase by phase."""

    template_s: list[float] = []
    warm_s: list[float] = []
    echoes: list[tuple[list[float], list[float]]] = []
    echo_cpu_us: float = 0.0
    at_once_s: list[float] = []
    idle_mib: list[float] = []
    creates: list[tuple[Creates, Creates]] = []
    turns: dict[str, Turns] = {}
    notes: dict[str, Any] = {}


def vm(options: Options) -> Result:
    """A warm echo over HTTP against the agent's own round trip, and all that machines promise."""
    _check_there()
    seen = Seen()
    with conversation(
        "scripts.bench.agent_echo", str(options.folder / "alone"), pinned=False
    ) as alone:
        alone.wait_for("ready")  # image and template are there from here on
        # Machines inherit the cores of the service: it may use all of them.
        with service(options.folder / "vm", "--log-level", "error", pinned=False) as server:
            _from_template(options, server, seen)
            _warm_echoes(options, server, alone, seen)
            sessions = _at_once(options, server, seen)
            _creates_beside(options, server, sessions, seen)
            seen.notes["machines_at_stop"] = len(machines_of(server))
            seen.notes["stop_s"] = round(server.stop(), 2)
    warm = options.size(3, 1)
    with service(
        options.folder / "warm", "--vm-warm", str(warm), "--log-level", "error", pinned=False
    ) as server:
        _from_pool(options, server, warm, seen)
    return _result(seen)


def _check_there() -> None:
    found = asyncio.run(obstacle(default_cache()))
    if found is not None:
        raise CannotRun("; ".join(part for part in found if part))


def _from_template(options: Options, server: Server, seen: Seen) -> None:
    client = Client(server)
    before = turns_of(server)
    session, first_s = client.first_echo()
    client.kill(session)
    seen.notes["first_of_a_service_s"] = round(first_s, 3)
    for _ in range(options.rounds * options.size(10, 2)):
        session, took = client.first_echo()
        seen.template_s.append(took)
        client.kill(session)
    client.close()
    seen.turns["one_by_one"] = turns_of(server).since(before)


def _warm_echoes(options: Options, server: Server, alone: Conversation, seen: Seen) -> None:
    count = options.size(60, 5)
    client = Client(server)
    session, _ = client.first_echo()
    for _ in range(count):
        client.echo(session)  # both have run as many when they are compared
    alone.ask(str(count + 1))
    used = server.cpu_s()
    for _ in range(options.rounds):
        direct = msgspec.json.decode(alone.ask(str(count)), type=list[float])
        seen.echoes.append(([client.echo(session) for _ in range(count)], direct))
    seen.echo_cpu_us = (server.cpu_s() - used) / (options.rounds * count) * 1e6
    client.kill(session)
    client.close()


def _at_once(options: Options, server: Server, seen: Seen) -> list[str]:
    """The sessions whose machines still run, of those that came all at once."""
    count = options.size(AT_ONCE, 3)
    client = Client(server)
    sessions: list[str] = []
    before = turns_of(server)
    for _ in range(options.rounds):
        for session in sessions:
            client.kill(session)
        wait_for_machines(server, 0)
        available = available_mib()
        sessions, took = first_echoes_at_once(server, count)
        seen.at_once_s.append(took)
        proportional, private = proportional_mib(wait_for_machines(server, count))
        seen.idle_mib.append(proportional / count)
        seen.notes["idle_private_mib"] = round(private / count, 1)
        seen.notes["idle_available_mib"] = round((available - available_mib()) / count, 1)
    seen.turns["at_once"] = turns_of(server).since(before)
    client.close()
    return sessions


def _creates_beside(options: Options, server: Server, sessions: list[str], seen: Seen) -> None:
    """Durable creates with no machine and with some at rest, in turn."""
    kept = sessions[: options.size(IDLE, 2)]
    client = Client(server)
    for session in sessions[len(kept) :]:
        client.kill(session)
    for number in range(options.rounds + 1):
        wait_for_machines(server, len(kept))
        beside = _creates(options, server)
        for session in kept:
            client.kill(session)
        wait_for_machines(server, 0)
        alone = _creates(options, server)
        if number:  # the first round warms up
            seen.creates.append((beside, alone))
        echoes_at_once(server, kept)
    client.close()


def _creates(options: Options, server: Server) -> Creates:
    body = msgspec.json.encode(
        {"kind": "browser", "title": "a session beside machines", "labels": ["one", "two"]}
    )
    load = Load(
        port=server.port,
        requests=[request("POST", "/api/v1/sessions", body=body)],
        status=201,
        connections=CONNECTIONS,
        seconds=options.size(30, 5) / 10,
    )
    used = server.cpu_s()
    answered = generate(load)
    return Creates(answered.rate, (server.cpu_s() - used) / answered.sent * 1e6)


def _from_pool(options: Options, server: Server, warm: int, seen: Seen) -> None:
    client = Client(server)
    before = None
    for number in range(options.rounds * options.size(10, 2)):
        if number % warm == 0:
            wait_for_machines(server, warm)
            before = before or turns_of(server)
        session, took = client.first_echo()
        seen.warm_s.append(took)
        client.kill(session)
    client.close()
    assert before is not None
    seen.turns["from_pool"] = turns_of(server).since(before)


def _result(seen: Seen) -> Result:
    rounds = [
        (statistics.median(ours) * 1000, statistics.median(direct) * 1000)
        for ours, direct in seen.echoes
    ]
    found = compared(rounds)
    template, warm = (percentiles(times).p50 / 1000 for times in (seen.template_s, seen.warm_s))
    beside = statistics.median(with_.rate / without.rate for with_, without in seen.creates)
    met = {
        "template": template <= TEMPLATE_S_MAX,
        "warm": warm <= WARM_S_MAX,
        "at once": max(seen.at_once_s) <= AT_ONCE_S_MAX,
        "memory": max(seen.idle_mib) <= IDLE_MIB_MAX,
        "echo": found["ratio"] <= ECHO_TIMES_MAX,
        "loop": not any(turns.long for turns in seen.turns.values()),
        "creates": beside >= CREATE_SHARE_MIN,
    }
    return Result(
        name="vm",
        **found,
        unit="ms for an echo",
        target=(
            f"ratio <= {ECHO_TIMES_MAX}; create to first echo p50 <= {TEMPLATE_S_MAX} s,"
            f" from the pool <= {WARM_S_MAX} s; {AT_ONCE} machines in {AT_ONCE_S_MAX:g} s;"
            f" <= {IDLE_MIB_MAX:g} MiB idle; loop blocked <= {TURN_S_MAX * 1000:g} ms;"
            f" creates beside {IDLE} idle ones >= {CREATE_SHARE_MIN}"
        ),
        ok=all(met.values()),
        latency_ms=median_latency([percentiles(ours) for ours, _ in seen.echoes]),
        limit_latency_ms=median_latency([percentiles(direct) for _, direct in seen.echoes]),
        cpu_us_per_op=round(seen.echo_cpu_us, 1),
        notes={
            "missed": [name for name, good in met.items() if not good],
            "create_to_first_echo_s": _spread(seen.template_s),
            "create_to_first_echo_from_the_pool_s": _spread(seen.warm_s),
            "machines_at_once_s": [round(took, 2) for took in seen.at_once_s],
            "idle_mib": [round(mib, 1) for mib in seen.idle_mib],
            "creates_beside_and_alone_per_s": [
                (round(with_.rate), round(without.rate)) for with_, without in seen.creates
            ],
            "creates_beside_and_alone_cpu_us": [
                (round(with_.cpu_us), round(without.cpu_us)) for with_, without in seen.creates
            ],
            "creates_beside_share": round(beside, 3),
            **{f"loop_{name}": words_of(turns) for name, turns in seen.turns.items()},
            **seen.notes,
        },
    )


def _spread(seconds: list[float]) -> str:
    found = percentiles(seconds)
    return f"p50 {found.p50 / 1000:.3f} p95 {found.p95 / 1000:.3f} of {len(seconds)}"
