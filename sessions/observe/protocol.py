"""Frames of the feeds and the filter over commits; pure.

One frame per position, so that a client which resumes after the position it saw last misses and
repeats nothing. The bytes of an event frame are those that the log stores, with a type in front.
"""

from __future__ import annotations

from typing import Final

import msgspec

from eventstore.commit import Commit, Position, Recorded

SHOWN: Final = ("session/", "vm/")
"""The streams that feeds show; keys and catalogs are not for observers."""

CLOSE_NOT_PERMITTED: Final = 1008
CLOSE_GOING_AWAY: Final = 1012
CLOSE_TOO_SLOW: Final = 1013
_TEXT: Final = 0x81
_CLOSE: Final = 0x88


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commits a client wants: alternatives within a field, all fields, every label.

    `statuses` are those that a commit leaves its subject in; `tenant` None sees every tenant.
    """

    tenant: str | None = None
    sessions: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()

    def takes(self, commit: Commit) -> bool:
        """True if the client wants this commit."""
        if not commit.stream.startswith(SHOWN):
            return False
        if self.tenant is not None and commit.tenant != self.tenant:
            return False
        if not (self.sessions or self.kinds or self.statuses or self.labels):
            return True
        return self._takes_tags(commit)

    def _takes_tags(self, commit: Commit) -> bool:
        tags = commit.tags
        if self.sessions and not self._of_session(commit):
            return False
        if self.kinds and not any(f"kind={kind}" in tags for kind in self.kinds):
            return False
        if self.statuses and not any(f"status={status}" in tags for status in self.statuses):
            return False
        return all(f"label={label}" in tags for label in self.labels)

    def _of_session(self, commit: Commit) -> bool:
        if commit.stream.removeprefix("session/") in self.sessions:
            return True
        return any(f"session={session}" in commit.tags for session in self.sessions)


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First frame: which log this is, how long it is, and after what the client will be told."""

    epoch: str
    head: Position
    after: Position


class CaughtUp(msgspec.Struct, frozen=True, tag="caught_up"):
    """Everything up to `position` was sent; what follows is live."""

    position: Position


class Gap(msgspec.Struct, frozen=True, tag="gap", rename={"start": "from", "end": "to"}):
    """The client's cursor does not fit this log: what it saw between the two is not in it."""

    start: Position
    end: Position
    reason: str


class End(msgspec.Struct, frozen=True, tag="end"):
    """Last frame: resume with `after=position`."""

    position: Position
    reason: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Nothing that the client wants happened up to `position`."""

    position: Position


class EventFrame(Commit, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """A commit as the log stores it: what `event_json` makes without decoding anything."""


Frame = Hello | CaughtUp | Gap | End | Ping
encode: Final = msgspec.json.Encoder().encode


def event_json(recorded: Recorded) -> bytes:
    """The event frame of one commit."""
    return b'{"type":"event",' + recorded.body[1:]


def websocket_text(payload: bytes) -> bytes:
    """`payload` as one unmasked text frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + payload


def websocket_close(code: int, reason: str) -> bytes:
    """A close frame (RFC 6455 section 5.5.1); the reason may be 123 bytes long."""
    payload = code.to_bytes(2, "big") + reason.encode()[:123]
    return bytes((_CLOSE, len(payload))) + payload


def sse(name: str, payload: bytes, position: Position) -> bytes:
    """One server-sent event; its id is the cursor for `Last-Event-ID`."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, name.encode(), payload)


def http_chunk(payload: bytes) -> bytes:
    """`payload` as one chunk of an HTTP/1.1 body (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)
