"""Events as lines: aligned columns for people, one object each for machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from eventstore.commit import Commit, Event, Position
from projections.folds import session, vm
from projections.story import NOTHING, Told, tell
from projections.telling import Known
from projections.wording import duration, open_only, plain, time_text
from sessions.caller import DEFAULT_TENANT

KNOWN_MAX: Final = 100_000
_SINCE_CHARS: Final = 13
_WHO_CHARS: Final = 16
_STREAM_CHARS: Final = 44
_NAME_CHARS_MAX: Final = 80


class Line(NamedTuple):
    """One event in its place; `since_us` is None for the first of what is told."""

    commit: Commit
    event: Event
    told: Told
    since_us: int | None


class Telling:
    """Tells commits in order, and remembers what earlier ones said of their streams."""

    def __init__(self, last_at: int | None = None) -> None:
        self._last_at = last_at
        self._known: dict[str, Known] = {}

    def lines(self, commits: Iterable[Commit]) -> Iterator[Line]:
        """Each event of `commits`; those of one commit are at the same time."""
        for commit in commits:
            for event in commit.events:
                told = tell(event, self._known.get(commit.stream, NOTHING))
                if told.known is not NOTHING:
                    self._keep(commit.stream, told.known)
                since = None if self._last_at is None else commit.at - self._last_at
                self._last_at = commit.at
                yield Line(commit, event, told, since)

    def _keep(self, stream: str, known: Known) -> None:
        # A log of any length is told in the same memory: the oldest is forgotten.
        if stream not in self._known and len(self._known) >= KNOWN_MAX:
            del self._known[next(iter(self._known))]
        self._known[stream] = known


class Page:
    """How wide the columns are; `of` is the stream whose story it is, None for the whole log."""

    def __init__(self, size: Position, of: str | None) -> None:
        self._digits = len(str(size))
        self._of = of

    def text(self, line: Line) -> str:
        """The line as people read it, with its end."""
        commit = line.commit
        since = "" if line.since_us is None else _signed(line.since_us)
        who = plain(commit.actor, _NAME_CHARS_MAX)
        if commit.tenant != DEFAULT_TENANT:
            who += f" ({plain(commit.tenant, _NAME_CHARS_MAX)})"
        head = f"{commit.position:>{self._digits}}  {time_text(commit.at)}  {since:>{_SINCE_CHARS}}"
        return f"{head}  {who:<{_WHO_CHARS}}  {self._where(commit.stream)}{line.told.words}\n"

    def _where(self, stream: str) -> str:
        if stream == self._of:
            return ""
        shown = plain(stream, _NAME_CHARS_MAX)
        return f"{shown}: " if self._of else f"{shown:<{_STREAM_CHARS}}  "


def _signed(us: int) -> str:
    return duration(us) if us < 0 else f"+{duration(us)}"


def as_object(line: Line) -> dict[str, Any]:
    """The line as machines read it; `data` is as it stands in the log, but for what is sealed."""
    commit, event = line.commit, line.event
    tags = dict(tag.partition("=")[::2] for tag in commit.tags)
    of_session = commit.stream.startswith(session.PREFIX)
    own = commit.stream.removeprefix(session.PREFIX) if of_session else None
    return {
        "position": commit.position,
        "at": time_text(commit.at),
        "since_us": line.since_us,
        "actor": commit.actor,
        "tenant": commit.tenant,
        "stream": commit.stream,
        "session": own if of_session else tags.get("session"),
        "kind": tags.get("kind"),
        "type": event.type,
        "v": event.v,
        "data": _open_data(event),
        "words": line.told.words,
        "reason": line.told.reason,
        "correlation_id": commit.correlation_id,
        "causation": commit.causation,
        "traceparent": commit.traceparent,
    }


def _open_data(event: Event) -> Any:
    try:
        return open_only(msgspec.json.decode(event.data))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return plain(bytes(event.data).decode(errors="replace"))


def names_session(first: Commit, session_id: str) -> bool:
    """True for the first commit of a machine of the session."""
    if not first.stream.startswith(vm.PREFIX):
        return False
    data = _open_data(first.events[0]) if first.events else None
    return isinstance(data, dict) and data.get("session") == session_id
