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
_encode: Final = msgspec.json.Encoder().encode


class _Answer(NamedTuple):
    state: Session
    shown: str
    body: bytes


class Rendered:
    """Keeps a bounded number of bounded answers; each is of one state, and gone with it."""

    def __init__(self, answers_max: int = RENDERED_MAX) -> None:
        self._answers_max = answers_max
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    def body(self, state: Session, shown: str, view: Callable[[Session, str], Any]) -> bytes:
        """What `view` makes of the state, as JSON; `shown` is all else that it depends on."""
        known = self._answers.get(state.id)
        if known is not None and known.state is state and known.shown == shown:
            return known.body
        body = _encode(view(state, shown))
        if len(body) > RENDERED_BYTES_MAX:
            self._answers.pop(state.id, None)
            return body
        if known is None and len(self._answers) >= self._answers_max:
            self._answers.popitem(last=False)
        self._answers[state.id] = _Answer(state, shown, body)
        return body
