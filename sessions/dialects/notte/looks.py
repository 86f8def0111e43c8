"""How many clients look at a session at once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

from sessions.domain.rejections import LimitReached

LOOKS_MAX: Final = 16


class Looks:
    """How many clients look at each session: so many at once, and no more."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @contextlib.contextmanager
    def look(self, session_id: str) -> Iterator[None]:
        """One client more; raises LimitReached."""
        if self._counts[session_id] >= LOOKS_MAX:
            raise LimitReached(f"{LOOKS_MAX} clients look at the session already.")
        self._counts[session_id] += 1
        try:
            yield
        finally:
            self._counts[session_id] -= 1
            if not self._counts[session_id]:
                del self._counts[session_id]
