"""Values of secrets that a command prints do not get into the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

CHARS_MIN: Final = 6
"""Shorter values are words of the language as well: hiding them would hide too much."""
MASK: Final = "***"


class Mask:
    """Hides some values wherever they stand in a text."""

    def __init__(self, values: Iterable[str]) -> None:
        # Line by line, as they are printed, and as they stand within JSON.
        lines = {line for value in values for line in value.splitlines()}
        inside = {msgspec.json.encode(line)[1:-1].decode() for line in lines}
        long = {line for line in lines | inside if len(line) >= CHARS_MIN}
        # The longest first: one may be the beginning of another.
        ordered = sorted(long, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without the values."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)
