"""Facts about the turns of a conversation that is evaluated; stream `session/<id>`.

`data` are the fields of a turn in the words of the API that it came by.
"""

from __future__ import annotations

from typing import Any, ClassVar

from eventstore.codec import Fact


class TurnRecorded(Fact, frozen=True, kw_only=True):
    """The session has one more turn; an index is never used again."""

    NAME: ClassVar = "turn.recorded"

    index: int
    data: dict[str, Any] = {}


class TurnChanged(Fact, frozen=True, kw_only=True):
    """The given fields of the turn are new, each as a whole; null takes one away."""

    NAME: ClassVar = "turn.changed"

    index: int
    data: dict[str, Any] = {}


class TurnRemoved(Fact, frozen=True, kw_only=True):
    """The turn is gone from reads; its history stays."""

    NAME: ClassVar = "turn.removed"

    index: int
