"""Commits as CloudEvents 1.0 in JSON, one record per event, and back to the very same bytes; pure.

What of a commit CloudEvents has no attribute for stands in extension attributes, on each record of
the commit. `leaf` is the commit's leaf in the Merkle tree, so that a record that was changed tells
so by itself. A complete export says on its first record when the log was made, and on its last one
how many commits it holds and their root: without that it was cut off.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from eventstore.commit import Commit, Event, Position, Recorded, encode, restore
from eventstore.merkle import leaf_hash

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SOURCE: Final = "/sessiond/"


class NotExact(ValueError):
    """The records are not those of one commit as it was exported."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One event. `n` counts the events of its commit from 0, `count` is how many it has.

    `data_base64` replaces `data` where its JSON has line breaks. `body` is the whole commit in
    base64, on its first record, where the attributes alone do not give its exact bytes.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str
    datacontenttype: Literal["application/json"]
    position: int
    n: int
    count: int
    previous: int
    v: int
    commitid: str
    actor: str
    tenant: str
    leaf: str
    subject: str = ""
    tags: str | None = None
    correlationid: str = ""
    causation: int = 0
    traceparent: str = ""
    body: str = ""
    data: Raw | UnsetType = UNSET
    data_base64: str = ""
    logcreated: str = ""
    logsize: int = 0
    logroot: str = ""


encode_record: Final = msgspec.json.Encoder().encode
decode_record: Final = msgspec.json.Decoder(Record).decode


def source_of(epoch: str) -> str:
    """What the records of the log with this epoch name as their source."""
    return _SOURCE + epoch


def epoch_of(source: str) -> str:
    """The epoch in a source; raises NotExact."""
    if not source.startswith(_SOURCE) or source == _SOURCE:
        raise NotExact(f"its source is not {_SOURCE}EPOCH")
    return source.removeprefix(_SOURCE)


def records(recorded: Recorded, source: str) -> list[Record]:
    """The commit as a log gave it back, event by event; raises NotExact for a time of no year."""
    commit, body = recorded.commit, recorded.body
    exact = encode(commit) == body
    broken = b"\n" in body or b"\r" in body
    whole = "" if exact else base64.b64encode(body).decode()
    position, count, leaf = commit.position, len(commit.events), leaf_hash(body).hex()
    time = time_text(commit.at)
    tags = tags_text(commit.tags) if commit.tags else None
    made = []
    for n, event in enumerate(commit.events):
        data, coded = (UNSET, _base64(event.data)) if broken else (event.data, "")
        # By place, not by name: it is half the price, and this is done for each event of a log.
        made.append(
            Record(
                SPEC_VERSION,
                f"{position}.{n}",
                source,
                event.type,
                time,
                CONTENT_TYPE,
                position,
                n,
                count,
                commit.previous,
                event.v,
                commit.id,
                commit.actor,
                commit.tenant,
                leaf,
                commit.stream,
                tags,
                commit.correlation_id,
                commit.causation,
                commit.traceparent,
                whole,
                data,
                coded,
            )
        )
        whole = ""
    return made


def opened(first: Record, created_at: int) -> Record:
    """The first record of a complete export of a log that was made then."""
    return replace(first, logcreated=time_text(created_at))


def closed(last: Record, size: int, root: bytes) -> Record:
    """The last record of a complete export of `size` commits with this root."""
    return replace(last, logsize=size, logroot=root.hex())


def restored(given: Sequence[Record]) -> Recorded:
    """The commit that became these records, with its exact bytes; raises NotExact."""
    first = given[0]
    recorded = _recorded(given)
    if first.leaf != leaf_hash(recorded.body).hex():
        raise NotExact("its attributes and data do not give its leaf")
    if len(given) > 1 or first.body or first.data_base64:
        same = [replace(r, logcreated="", logsize=0, logroot="") for r in given]
        made = records(recorded, first.source)
        if list(map(encode_record, same)) != list(map(encode_record, made)):
            raise NotExact("it is not as it was exported")
    elif first.n != 0 or first.count != 1 or first.id != f"{first.position}.0":
        raise NotExact("its id, n and count do not agree")
    return recorded


def _recorded(given: Sequence[Record]) -> Recorded:
    first = given[0]
    try:
        if first.body:
            return restore(base64.b64decode(first.body, validate=True))
        commit = Commit(
            position=Position(first.position),
            previous=Position(first.previous),
            stream=first.subject,
            id=first.commitid,
            at=time_us(first.time),
            actor=first.actor,
            tenant=first.tenant,
            tags=() if first.tags is None else tags_of(first.tags),
            correlation_id=first.correlationid,
            causation=Position(first.causation),
            traceparent=first.traceparent,
            events=tuple([Event(r.type, r.v, _data(r)) for r in given]),
        )
        return Recorded(commit, encode(commit))
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise NotExact(str(error)) from None


def _data(record: Record) -> Raw:
    if record.data is not UNSET:
        return record.data
    return Raw(base64.b64decode(record.data_base64, validate=True))


def _base64(data: Raw) -> str:
    return base64.b64encode(data).decode()


def time_text(at_us: int) -> str:
    """The RFC 3339 time of an instant, exact to the microsecond; raises NotExact."""
    second, us = divmod(at_us, 1_000_000)
    return f"{_second(second)}.{us:06d}Z"


@functools.lru_cache(maxsize=4096)
def _second(second: int) -> str:
    try:
        return datetime.fromtimestamp(second, UTC).isoformat()[:-6]
    except (ValueError, OverflowError, OSError):
        raise NotExact("its time has no year of four digits") from None


def time_us(text: str) -> int:
    """The instant that `time_text` wrote; raises NotExact."""
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError):
        raise NotExact("its time is no RFC 3339 time") from None
    at_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if time_text(at_us) != text:
        raise NotExact("its time is not written as it was exported")
    return at_us


@functools.lru_cache(maxsize=4096)
def tags_text(tags: tuple[str, ...]) -> str:
    """The tags in one text: an attribute of a CloudEvent is no list."""
    return ",".join([tag.replace("%", "%25").replace(",", "%2C") for tag in tags])


@functools.lru_cache(maxsize=4096)
def tags_of(text: str) -> tuple[str, ...]:
    """The tags that `tags_text` wrote."""
    return tuple([t.replace("%2C", ",").replace("%25", "%") for t in text.split(",")])
