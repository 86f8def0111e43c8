"""Browsers of sessions over HTTP: from a create to a page, whole visits, memory, observations."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any, Final

import msgspec

from scripts.bench.browser_calls import Client, visits_at_once
from scripts.bench.machine_host import family, proportional_mib
from scripts.bench.machine_turns import TURN_S_MAX, Turns, turns_of, words_of
from scripts.bench.processes import Conversation, Server, conversation, running, service
from scripts.bench.report import CannotRun, Options, Result, compared, median_latency, percentiles
from sessions.runtimes.browser.availability import find_chromium
from sessions.runtimes.browser.port import RuntimeUnavailable

WARM_S_MAX: Final = 0.15
COLD_S_MAX: Final = 2.0
LIFE_S_MAX: Final = 0.7
AT_ONCE: Final = 20
AT_ONCE_MIB_MAX: Final = 1.7 * 1024
LINKS: Final = 1000
OBSERVE_S_MAX: Final = 0.4
OBSERVE_TIMES_MAX: Final = 2.0
SMALL_ACTIONS: Final = 3
# How long a spare takes to be there again, and pages and their pictures to come to rest.
REST_S: Final = 1.5


class Seen(msgspec.Struct):
    """What was measured, phase by phase."""

    cold_s: list[float] = []
    warm_s: list[float] = []
    life_s: list[float] = []
    observes: list[tuple[list[float], list[float]]] = []
    observe_cpu_us: float = 0.0
    mib: float = 0.0
    turns: dict[str, Turns] = {}
    notes: dict[str, Any] = {}


def browser(options: Options) -> Result:
    """An observation over HTTP against one accessibility snapshot, and all that visits promise."""
    try:
        program = find_chromium().program
    except RuntimeUnavailable as why:
        raise CannotRun(str(why)) from None
    seen = Seen()
    errors = options.folder / "pages.stderr"
    with running("scripts.bench.pages", errors=errors, pinned=False) as pages:
        site = f"http://127.0.0.1:{pages.port}"
        for number in range(options.rounds):
            _cold(options, site, number, seen)
        with _service(options, "browser", site, "--browser-warm", "1") as server:
            _one_by_one(options, server, site, seen)
            _observations(options, server, site, program, seen)
        _at_once(options, site, seen)
    return _result(seen)


def _service(options: Options, name: str, site: str, *more: str) -> Any:
    # The browsers inherit the cores of the service: it may use all of them.
    allow = site.removeprefix("http://")
    given = ("--browser-allow", allow, "--log-level", "error", *more)
    return service(options.folder / name, *given, pinned=False)


def _cold(options: Options, site: str, number: int, seen: Seen) -> None:
    with _service(options, f"cold-{number}", site, "--browser-warm", "0") as server:
        client = Client(server)
        before = turns_of(server)
        session, took = client.first_use()
        seen.cold_s.append(took)
        client.stop(session)
        client.close()
        seen.turns["cold"] = turns_of(server).since(before)


def _one_by_one(options: Options, server: Server, site: str, seen: Seen) -> None:
    client = Client(server)
    count = options.rounds * options.size(15, 2)
    client.whole_life(f"{site}/", SMALL_ACTIONS)  # until then there is no browser at all
    before = turns_of(server)
    for _ in range(count):
        time.sleep(REST_S)
        session, took = client.first_use()
        seen.warm_s.append(took)
        client.stop(session)
    for _ in range(count):
        time.sleep(REST_S)
        seen.life_s.append(client.whole_life(f"{site}/", SMALL_ACTIONS))
    seen.turns["one_by_one"] = turns_of(server).since(before)
    client.close()


def _observations(options: Options, server: Server, site: str, program: str, seen: Seen) -> None:
    url, count = f"{site}/links/{LINKS}", options.size(10, 2)
    with conversation("scripts.bench.aria_snapshots", program, url, pinned=False) as alone:
        alone.wait_for("ready")
        client = Client(server)
        session = client.start()
        client.goto(session, url)
        client.observe(session, LINKS)
        _snapshots(alone, 1)
        before, used = turns_of(server), server.cpu_s()
        for _ in range(options.rounds):
            ours = [client.observe(session, LINKS) for _ in range(count)]
            seen.observes.append((ours, _snapshots(alone, count)))
        seen.observe_cpu_us = (server.cpu_s() - used) / (options.rounds * count) * 1e6
        seen.turns["observe"] = turns_of(server).since(before)
        client.stop(session)
        client.close()


def _snapshots(alone: Conversation, count: int) -> list[float]:
    return msgspec.json.decode(alone.ask(str(count)), type=list[float])


def _at_once(options: Options, site: str, seen: Seen) -> None:
    count = options.size(AT_ONCE, 3)
    more = ("--browser-warm", "0", "--browsers-max", str(count))
    with _service(options, "many", site, *more) as server:
        alone, before = proportional_mib(family(server))[0], turns_of(server)
        sessions, took = visits_at_once(server, count, f"{site}/")
        time.sleep(REST_S)
        pids = family(server)
        seen.mib = proportional_mib(pids)[0]
        seen.notes["service_alone_mib"] = round(alone, 1)
        seen.notes["at_once_s"] = round(took, 2)
        seen.notes["processes"] = len(pids)
        client = Client(server)
        for session in sessions:
            client.stop(session)
        client.close()
        seen.turns["at_once"] = turns_of(server).since(before)
        seen.notes["stop_s"] = round(server.stop(), 2)


def _result(seen: Seen) -> Result:
    rounds = [
        (statistics.median(ours) * 1000, statistics.median(alone) * 1000)
        for ours, alone in seen.observes
    ]
    found = compared(rounds)
    warm, cold, life = (statistics.median(each) for each in (seen.warm_s, seen.cold_s, seen.life_s))
    met = {
        "warm": warm <= WARM_S_MAX,
        "cold": cold <= COLD_S_MAX,
        "life": life <= LIFE_S_MAX,
        "memory": seen.mib <= AT_ONCE_MIB_MAX,
        "observe": found["ratio"] <= OBSERVE_TIMES_MAX and found["value"] <= OBSERVE_S_MAX * 1000,
        "loop": not any(turns.long for turns in seen.turns.values()),
    }
    return Result(
        name="browser",
        **found,
        unit=f"ms for an observation of {LINKS} links",
        target=(
            f"<= {OBSERVE_S_MAX * 1000:g} ms and ratio <= {OBSERVE_TIMES_MAX};"
            f" create to usable p50 <= {WARM_S_MAX * 1000:g} ms warm, <= {COLD_S_MAX:g} s cold;"
            f" whole visit p50 <= {LIFE_S_MAX * 1000:g} ms;"
            f" {AT_ONCE} sessions <= {AT_ONCE_MIB_MAX / 1024:g} GiB;"
            f" loop blocked <= {TURN_S_MAX * 1000:g} ms"
        ),
        ok=all(met.values()),
        latency_ms=median_latency([percentiles(ours) for ours, _ in seen.observes]),
        limit_latency_ms=median_latency([percentiles(alone) for _, alone in seen.observes]),
        cpu_us_per_op=round(seen.observe_cpu_us, 1),
        notes={
            "missed": [name for name, good in met.items() if not good],
            "create_to_usable_warm_ms": _spread(seen.warm_s),
            "create_to_usable_cold_ms": _spread(seen.cold_s),
            "whole_visit_ms": _spread(seen.life_s),
            "all_at_once_mib": round(seen.mib),
            "sandbox": os.geteuid() != 0,
            **{f"loop_{name}": words_of(turns) for name, turns in seen.turns.items()},
            **seen.notes,
        },
    )


def _spread(seconds: list[float]) -> str:
    found = percentiles(seconds)
    return f"p50 {found.p50:.0f} p95 {found.p95:.0f} of {len(seconds)}"
