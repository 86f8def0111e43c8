"""What the benches of dialects have in common: creates and reads beside a limit, tails of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from scripts.bench.processes import Answered, Load, Server, bare, first_body, generate, request
from scripts.bench.report import Options, Result
from scripts.bench.sides import Sides, alternate, load_of, outcome, tenant_key

CREATE_SHARE_MIN: Final = 0.45
GET_SHARE_MIN: Final = 0.6
LIST_MS_MAX: Final = 15.0
LIST_CLIENTS: Final = 8

Tails = dict[str, tuple[float, float]]
"""The p50 and the p99 of each kind of list, in milliseconds."""


def creating(options: Options, server: Server, posts: list[bytes], status: int) -> Sides:
    """Durable creates, and a handler that decodes and answers the same bytes."""
    load = load_of(options, server, posts, status)
    with bare(options.folder, {"create": first_body(load)}) as other:
        return alternate(options, server, other, load)


def reading(options: Options, server: Server, gets: list[bytes]) -> Sides:
    """Reads of sessions that are in memory, and a handler that answers the same bytes."""
    load = load_of(options, server, gets, 200)
    generate(replace(load, warm_up_s=0.0, seconds=60, requests_max=len(gets)))
    with bare(options.folder, {"get": first_body(load)}) as other:
        return alternate(options, server, other, load)


def listing(options: Options, server: Server, lists: Mapping[str, Sequence[str]]) -> Tails:
    """The tails of lists, each kind of which is asked for at several paths in turn.

    Of a tenant and of an admin, whose lists span tenants.
    """
    key = tenant_key(server)
    found: Tails = {}
    for name, paths in lists.items():
        for who, secret in (("", key), ("admin: ", None)):
            gets = [
                request("GET", path) if secret is None else request("GET", path, secret)
                for path in paths
            ]
            load = replace(load_of(options, server, gets, 200), connections=LIST_CLIENTS)
            latency = _longest(options, load).latency
            found[who + name] = (latency.p50, latency.p99)
    return found


def judged(name: str, creates: Sides, reads: Mapping[str, Sides], tails: Tails) -> Result:
    """The figures of a dialect beside their limits."""
    result = outcome(name, *creates)
    each = {what: outcome(what, *sides) for what, sides in reads.items()}
    slowest = max(p99 for _, p99 in tails.values())
    result.target = (
        f"create >= {CREATE_SHARE_MIN}, get >= {GET_SHARE_MIN} of the limit;"
        f" lists p99 <= {LIST_MS_MAX} ms"
    )
    result.ok = (
        result.ratio >= CREATE_SHARE_MIN
        and all(one.ratio >= GET_SHARE_MIN for one in each.values())
        and slowest <= LIST_MS_MAX
    )
    for what, one in each.items():
        result.notes[what] = [one.value, one.limit, one.ratio, one.cpu_us_per_op]
        result.notes[f"{what}_ms"] = msgspec.to_builtins(one.latency_ms)
    result.notes |= {
        f"list {what}": f"p50 {p50} p99 {p99} ms" for what, (p50, p99) in tails.items()
    }
    return result


def _longest(options: Options, load: Load) -> Answered:
    """Of the rounds the one with the median tail."""
    rounds = [
        generate(replace(load, seconds=options.size(20, 2) / 10)) for _ in range(options.rounds)
    ]
    return sorted(rounds, key=lambda one: one.latency.p99)[len(rounds) // 2]
