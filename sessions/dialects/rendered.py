"""The newest answers by session, encoded: a session is read more often than it changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from projections.folds.session import Session

RENDERED_MAX: Final = 32_768
RENDERED_BYTES_MAX: Final = 4_096
"""Most are about 700 bytes; a larger one is made anew for each reader."""
CONVERSATION_BYTES_MAX: Final = 1 << 20
"""As much where an answer has a conversation in it, which it takes the log to make anew."""
TOTAL_BYTES_MAX: Final = 64 << 20
_encode: Final = msgspec.json.Encoder().encode


class _Answer(NamedTuple):
    state: Session
    shown: str
    body: bytes


class Rendered:
    """Keeps a bounded number of bounded answers; each is of one state, and gone with it.

    Never for what was sealed: that is opened for one reader, and stays nowhere.
    """

    def __init__(
        self,
        answers_max: int = RENDERED_MAX,
        *,
        bytes_max: int = RENDERED_BYTES_MAX,
        total_bytes_max: int = TOTAL_BYTES_MAX,
    ) -> None:
        self._answers_max = answers_max
        self._bytes_max = bytes_max
        self._total_bytes_max = total_bytes_max
        self._bytes = 0
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    def body(self, state: Session, shown: str, view: Callable[[Session, str], Any]) -> bytes:
        """What `view` makes of the state, as JSON; `shown` is all else that it depends on."""
        known = self.known(state, shown)
        return self.keep(state, shown, view(state, shown)) if known is None else known

    def known(self, state: Session, shown: str) -> bytes | None:
        """What was kept of this very state, None if nothing was."""
        known = self._answers.get(state.id)
        if known is not None and known.state is state and known.shown == shown:
            return known.body
        return None

    def keep(self, state: Session, shown: str, answer: Any) -> bytes:
        """The answer as JSON, which is `known` from now on unless it is too large."""
        body = _encode(answer)
        before = self._answers.pop(state.id, None)
        self._bytes -= 0 if before is None else len(before.body)
        if len(body) <= self._bytes_max:
            self._answers[state.id] = _Answer(state, shown, body)
            self._bytes += len(body)
        while len(self._answers) > self._answers_max or self._bytes > self._total_bytes_max:
            _, oldest = self._answers.popitem(last=False)
            self._bytes -= len(oldest.body)
        return body
