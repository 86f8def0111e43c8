"""Facts about the spans of a turn: what an evaluated program did there; stream `span/<key>`.

Clients choose the ids of spans, each tenant its own: the key is made of both.
"""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.codec import Fact


class SpanRecorded(Fact, frozen=True, kw_only=True):
    """A span of a turn, whole, in the words of the API that it came by; the last one counts."""

    NAME: ClassVar = "span.recorded"

    session: str
    turn: int
    data: dict[str, Any] = {}


class SpanDeleted(Fact, frozen=True, kw_only=True):
    """The span is gone from lists and reads, unless it is recorded again; its history stays."""

    NAME: ClassVar = "span.deleted"
