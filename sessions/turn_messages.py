"""The turns of a conversation that is evaluated, as messages: the user's input, the answer."""

from __future__ import annotations

from typing import Any, Final

from eventstore.commit import Commit
from projections.events import CODEC
from projections.events.evaluation import TurnChanged, TurnRecorded
from projections.events.session import MessageAdded
from sessions.conversation import Said, said_in

TURN: Final = "turn"
# Which field of a turn one side speaks in, and what its words are called in an object there.
_SPOKEN: Final = (("user", "input", "user_message"), ("agent", "actualOutput", "assistant_message"))
_TOLD: Final = frozenset({TurnRecorded.NAME, TurnChanged.NAME})


def spoken_in(commit: Commit) -> list[Said]:
    """The messages of a commit, and what the turns in it say, in this order.

    What a turn says anew, or says at last, is a message of its own.
    """
    facts = [CODEC.decode(event) for event in commit.events if event.type in _TOLD]
    told = [
        Said(message, commit)
        for fact in facts
        if isinstance(fact, TurnRecorded | TurnChanged)
        for message in _messages(fact, commit)
    ]
    return [*said_in(commit), *told]


def _messages(fact: TurnRecorded | TurnChanged, commit: Commit) -> list[MessageAdded]:
    return [
        MessageAdded(
            id=f"{TURN}-{fact.index}-{role}-{commit.position}",
            role="user" if role == "user" else "agent",
            content=_words(fact.data[field], name),
            type=TURN,
            data=_beside(fact, field, name),
        )
        for role, field, name in _SPOKEN
        if fact.data.get(field) is not None
    ]


def _words(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else value
    return found if isinstance(found, str) else ""


def _beside(fact: TurnRecorded | TurnChanged, field: str, name: str) -> dict[str, Any]:
    """Which turn it is, and what its side says besides words."""
    value = fact.data[field]
    more = {k: v for k, v in value.items() if k != name} if isinstance(value, dict) else {}
    return {TURN: fact.index} | ({field: more} if more else {})
