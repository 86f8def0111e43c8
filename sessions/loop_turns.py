"""How long each turn of the event loop takes: for so long all who wait for it wait in vain."""

from __future__ import annotations

import selectors
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from time import monotonic
from typing import Final

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

WINDOW_S: Final = 60
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class LoopTurns(Collector):
    """All turns so far, by how long they took, and the longest of the last minute."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self._total = 0.0
        # The longest turn of each second in which one ended.
        self._longest: deque[tuple[int, float]] = deque(maxlen=WINDOW_S)

    def note(self, began: float, ended: float) -> None:
        """Count a turn; the times are of any clock that only goes on."""
        took = ended - began
        self._counts[bisect_left(_SECONDS, took)] += 1
        self._total += took
        second = int(ended)
        longest = self._longest
        if not longest or longest[-1][0] != second:
            longest.append((second, took))
        elif took > longest[-1][1]:
            longest[-1] = second, took

    @property
    def longest_s(self) -> float:
        """The longest turn of the minute up to the last one."""
        newest = self._longest[-1][0] if self._longest else 0
        return max((took for at, took in self._longest if newest - at < WINDOW_S), default=0.0)

    def collect(self) -> Iterator[Metric]:
        """The numbers so far, as the library wants them."""
        turns = HistogramMetricFamily(
            "sessiond_loop_turn_seconds", "Time that a turn of the event loop took."
        )
        bounds = [*map(str, _SECONDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        turns.add_metric([], buckets, sum_value=self._total)
        yield turns
        yield GaugeMetricFamily(
            "sessiond_loop_turn_max_seconds",
            "The longest turn of the last minute.",
            value=self.longest_s,
        )


class TimedSelector(selectors.DefaultSelector):
    """Tells how long a loop was busy from one look for events to the next.

    It costs nothing while the loop rests; a task that wakes up to see how late it is would.
    """

    def __init__(self, turns: LoopTurns) -> None:
        super().__init__()
        self._turns = turns
        self._woke: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The events, as the selector has them."""
        if self._woke is not None:
            self._turns.note(self._woke, monotonic())
        try:
            return super().select(timeout)
        finally:
            self._woke = monotonic()
