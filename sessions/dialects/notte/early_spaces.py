"""What the early API's ids stand for: its steps name an element and not what it takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from sessions.runtimes.browser.port import ActionType, PageAction

SESSIONS_MAX: Final = 1000


class EarlySpaces:
    """What was last observed in so many sessions; of one that is forgotten the id is a guess."""

    def __init__(self) -> None:
        self._types: OrderedDict[str, dict[str, ActionType]] = OrderedDict()

    def observed(self, session_id: str, actions: Iterable[PageAction]) -> None:
        """Keep what can be done in the session now."""
        usual = {action.id: action.type for action in actions}
        self._types[session_id] = {
            id_: type_ for id_, type_ in usual.items() if type_ != _guess(id_)
        }
        self._types.move_to_end(session_id)
        while len(self._types) > SESSIONS_MAX:
            self._types.popitem(last=False)

    def type_of(self, session_id: str, action_id: str) -> ActionType:
        """What the element takes."""
        return self._types.get(session_id, {}).get(action_id) or _guess(action_id)


def _guess(action_id: str) -> ActionType:
    return "fill" if action_id.startswith("I") else "click"
