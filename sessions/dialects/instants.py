"""Instants as the dialects show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def instant(at_us: int) -> datetime:
    """Microseconds since the epoch as an aware datetime; exact."""
    return _EPOCH + at_us * _MICROSECOND
