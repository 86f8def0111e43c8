"""Counters for Prometheus; every label has a bounded set of values."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
Series = tuple[Counter, Histogram]


class Metrics:
    """The metrics of one service; routes are named, so paths never become labels."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sessiond_http_requests",
            "Requests answered.",
            ["route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "sessiond_http_request_seconds",
            "Time to answer a request.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.commits = Counter("sessiond_commits", "Commits appended.", registry=self.registry)
        self.batches = Counter("sessiond_batches", "Durable batches.", registry=self.registry)
        self.observers = Gauge("sessiond_observers", "Open feeds.", registry=self.registry)
        self.observers_slow = Counter(
            "sessiond_observers_slow",
            "Feeds closed for reading too slowly.",
            registry=self.registry,
        )
        self.view_lag = Gauge(
            "sessiond_view_lag_commits", "How far the views are behind.", registry=self.registry
        )
        self._series: dict[tuple[str, int], Series] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        series = self._series.get((route, status))
        if series is None:
            series = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._series[route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def text(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)
