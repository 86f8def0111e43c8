"""What the facts of a session say on its WAVE channel, and what clients may say there; pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from eventstore.commit import Commit
from projections.events import CODEC
from projections.events.session import SessionDeleted, SessionStatusChanged
from projections.events.test_run import (
    ChannelPosted,
    SessionResumedBy,
    TestCompleted,
    TestTimedOut,
)
from sessions.dialects.wave.wire import STATUS

_NUMBER_CHARS_MAX: Final = 18
_TELLING: Final = frozenset(
    fact.NAME
    for fact in (SessionStatusChanged, TestCompleted, TestTimedOut, SessionResumedBy, ChannelPosted)
)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a client posts; without both fields it is none (section 1.2)."""

    type: str
    data: Any


def session_events(commit: Commit) -> list[tuple[str, Any]]:
    """What a commit of a session tells on its channel (section 4).

    A session that is removed ends without a status: its token names nothing any more.
    """
    removed = any(event.type == SessionDeleted.NAME for event in commit.events)
    told: list[tuple[str, Any]] = []
    for event in commit.events:
        if event.type not in _TELLING:
            continue
        match CODEC.decode(event):
            case SessionStatusChanged(was=was, to=to):
                if not removed and STATUS[was] != STATUS[to]:
                    told.append(("status", STATUS[to]))
            case TestCompleted(path=path) | TestTimedOut(path=path):
                told.append(("test_completed", path))
            case SessionResumedBy(token=token):
                told.append(("resume", token))
            case ChannelPosted(type=type, data=data):
                told.append((type, data))
            case _:
                continue
    return told


def event_number(text: str) -> int | None:
    """The number that `text` says, None if it says none."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _NUMBER_CHARS_MAX):
        return None
    return int(text)
