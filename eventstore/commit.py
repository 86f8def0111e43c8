"""The unit of the log: one commit of one stream, all or nothing."""

from __future__ import annotations

from typing import Final, NewType

import msgspec

Position = NewType("Position", int)
"""Global, gapless, starts at 1; also the revision of the stream that the commit belongs to."""

START: Final = Position(0)
"""Before the first commit of the log, and the `previous` of a stream's first commit."""

COMMIT_ID_BYTES: Final = 16
BODY_BYTES_MAX: Final = 1 << 20
"""A commit with more event data is refused: it would stall every other commit of its batch."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One fact: its name, the version of its shape, and its data as JSON."""

    type: str
    v: int
    data: msgspec.Raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        same_shape = self.type == other.type and self.v == other.v
        return same_shape and bytes(self.data) == bytes(other.data)

    def __hash__(self) -> int:
        return hash((self.type, self.v, bytes(self.data)))


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to append `events` to `stream`.

    `expected` is the position of the stream's last commit, `START` for a stream that must not
    exist yet, or None for any. `commit_id` is 16 bytes; repeating it returns the original commit.
    """

    stream: str
    expected: Position | None
    commit_id: bytes
    events: tuple[Event, ...]
    actor: str
    tenant: str
    tags: tuple[str, ...] = ()
    correlation_id: str = ""
    causation: Position = START
    traceparent: str = ""


class Commit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A commit as it stands in the log; its JSON is the leaf of the Merkle tree.

    `at` is microseconds since the epoch and informative only: positions order.
    `tags` are what a reader may select by without folding, such as `kind=vm`.
    """

    position: Position
    previous: Position
    stream: str
    id: str
    at: int
    actor: str
    tenant: str
    tags: tuple[str, ...] = ()
    correlation_id: str = ""
    causation: Position = START
    traceparent: str = ""
    events: tuple[Event, ...]


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A commit together with the exact bytes that the log stores for it."""

    commit: Commit
    body: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Commit)
_commits_decoder = msgspec.json.Decoder(list[Commit])
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def record(wish: Append, position: Position, previous: Position, at_us: int) -> Recorded:
    """The commit that `wish` becomes at `position`."""
    commit = Commit(
        position=position,
        previous=previous,
        stream=wish.stream,
        id=wish.commit_id.hex(),
        at=at_us,
        actor=wish.actor,
        tenant=wish.tenant,
        tags=wish.tags,
        correlation_id=wish.correlation_id,
        causation=wish.causation,
        traceparent=wish.traceparent,
        events=wish.events,
    )
    return Recorded(commit, encode(commit))


def encode(commit: Commit) -> bytes:
    """The bytes that a log of today stores for `commit`; the same commit gives the same bytes."""
    return _encoder.encode(commit)


def restore(body: bytes) -> Recorded:
    """The commit whose stored bytes are `body`."""
    return Recorded(_decoder.decode(body), body)


def restore_array(array: bytes) -> list[Recorded]:
    """The commits of a JSON array of stored bodies, each with its exact bytes."""
    return [restore(bytes(raw)) for raw in _array_decoder.decode(array)]


def decode_array(array: bytes) -> list[Commit]:
    """The commits of a JSON array of stored bodies; half the price of `restore_array`."""
    return _commits_decoder.decode(array)


def check(wish: Append) -> None:
    """Raises ValueError for a wish that no log can hold: it would take its batch down with it."""
    if len(wish.commit_id) != COMMIT_ID_BYTES:
        raise ValueError(f"a commit id has {COMMIT_ID_BYTES} bytes")
    if not wish.events:
        raise ValueError("a commit has at least one event")
    if not wish.actor or not wish.tenant:
        raise ValueError("a commit names its actor and its tenant")
    words = (wish.stream, wish.actor, wish.tenant, wish.correlation_id, wish.traceparent)
    if not all(map(str.isascii, (*words, *wish.tags))):
        _encoder.encode(wish)  # text that came in as surrogates cannot go out as UTF-8


def payload_bytes(wish: Append) -> int:
    """How much event data `wish` carries; a log refuses more than `BODY_BYTES_MAX`."""
    return sum(memoryview(event.data).nbytes for event in wish.events)


def same_content(wish: Append, commit: Commit) -> bool:
    """True if `commit` is what `wish` asked for, wherever and whenever it landed."""
    return wish.stream == commit.stream and wish.events == commit.events
