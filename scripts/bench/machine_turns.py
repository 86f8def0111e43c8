"""How long the event loop of a service kept all who wait for it, as the service itself tells."""

from __future__ import annotations

import math
import re
import urllib.request
from pathlib import Path
from typing import Final

import msgspec

from scripts.bench.processes import Server

TURN_S_MAX: Final = 0.05
_LINE: Final = re.compile(r'sessiond_loop_turn_seconds_bucket\{le="([^"]+)"\} (\S+)')


class Turns(msgspec.Struct, frozen=True):
    """How many turns of the loop took at most so many seconds.

    `waited_s` is for how long its thread could have run and had no processor, all in all.
    """

    counts: dict[float, int]
    waited_s: float

    @property
    def all(self) -> int:
        """How many there were."""
        return self.counts[math.inf]

    @property
    def long(self) -> int:
        """How many took longer than they may."""
        return self.all - self.counts[TURN_S_MAX]

    @property
    def bound_s(self) -> float:
        """None took longer than that."""
        return min(bound for bound, count in self.counts.items() if count == self.all)

    def since(self, earlier: Turns) -> Turns:
        """What was counted after `earlier`."""
        counts = {bound: count - earlier.counts[bound] for bound, count in self.counts.items()}
        return Turns(counts, self.waited_s - earlier.waited_s)


def turns_of(server: Server) -> Turns:
    """Since the service started."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    counts = {float(bound): int(float(count)) for bound, count in _LINE.findall(text)}
    waited_ns = Path(f"/proc/{server.pid}/schedstat").read_text("ascii").split()[1]
    return Turns(counts, int(waited_ns) / 1e9)


def words_of(turns: Turns) -> str:
    """The turns for people."""
    bound = f"none over {turns.bound_s * 1000:g} ms" if math.isfinite(turns.bound_s) else "minutes"
    waited = f"{turns.waited_s * 1000:.0f} ms in all without a processor"
    return f"{turns.long} of {turns.all} turns over {TURN_S_MAX * 1000:g} ms, {bound}; {waited}"
