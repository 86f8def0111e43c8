"""A bound to what a list is made of, all of which is in memory before it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sessions.failure import Failure

BYTES_MAX: Final = 128 << 20
ITEM_BYTES: Final = 256
"""What an item takes, however little it holds."""
_encode: Final = msgspec.json.Encoder().encode


class Room:
    """How much a list may still hold."""

    def __init__(self) -> None:
        self._left = BYTES_MAX

    def take(self, data: Mapping[str, Any]) -> None:
        """Count one more item; raises Failure 400 where the list would hold too much."""
        self._left -= ITEM_BYTES + len(_encode(data))
        if self._left < 0:
            detail = f"The list is made of more than {BYTES_MAX} bytes: ask for less at once."
            raise Failure(400, "invalid_query", detail)
