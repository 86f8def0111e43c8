"""Shapes of `network/logs` (contract notte.md section 3.2): what the browser asked the network for.

A batch is a text of JSON lines, one for each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from sessions.dialects.instants import instant
from sessions.runtimes.browser.port import Exchange

BATCH: Final = 1_000
MEDIA_TYPE: Final = "application/x-ndjson"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and what became of it."""

    timestamp: datetime
    method: str
    url: str
    resource_type: str
    status: int | None
    error: str | None
    request_bytes: int
    response_bytes: int
    duration_ms: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the log, and where it can be read for a while without a key."""

    key: str
    size: int
    download_url: str | None = None
    download_url_expires_in_seconds: int | None = None


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """The log of a session."""

    session_id: str
    batches: list[Batch]
    total_batch_count: int
    format: Literal["batched_v1"] = "batched_v1"


def key_of(number: int) -> str:
    """The name of a batch."""
    return f"network/{number:05d}.jsonl"


def count_of(exchanges: Sequence[Exchange]) -> int:
    """How many batches there are."""
    return -(-len(exchanges) // BATCH)


def lines(exchanges: Sequence[Exchange], number: int) -> bytes:
    """A batch as text; empty where there is none of that number."""
    part = exchanges[number * BATCH : (number + 1) * BATCH]
    return b"".join(msgspec.json.encode(_line(exchange)) + b"\n" for exchange in part)


def _line(exchange: Exchange) -> Line:
    return Line(
        timestamp=instant(exchange.at_us),
        method=exchange.method,
        url=exchange.url,
        resource_type=exchange.resource,
        status=exchange.status,
        error=exchange.error or None,
        request_bytes=exchange.request_bytes,
        response_bytes=exchange.response_bytes,
        duration_ms=exchange.duration_ms,
    )
