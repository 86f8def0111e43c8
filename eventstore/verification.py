"""Whether the rows of a log are what the log once wrote: gapless, chained, hashed as they stand.

A page of PAGE rows is compared as a whole, which is fast; only a page that differs is gone through
row by row, to say where and how. The tree is the one of `merkle`: within a page its nodes are
computed level by level, and the roots of the pages are the leaves of the tree above them.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from operator import eq, le, not_
from typing import Any, Final, Literal, NamedTuple

import msgspec

from eventstore.checkpoint import Checkpoint
from eventstore.merkle import LEAF, NODE, Tree, leaf_hash

LEVELS: Final = 8
PAGE: Final = 1 << LEVELS
"""Rows of a page; pages begin at multiples of it, so that each is a subtree."""

Subject = Literal["commit", "history", "head", "file"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that does not hold: at `position`, or after `after` up to and with `until`."""

    subject: Subject
    what: str
    position: int | None = None
    after: int | None = None
    until: int | None = None


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Up to `position` the log agrees with itself, up to `vouched` with heads.

    `root` is that of the whole log, in hex, or empty where the log does not hold.
    """

    holds: bool
    file: str
    findings: list[Finding]
    indexes: bool
    epoch: str = ""
    size: int = 0
    root: str = ""
    position: int = 0
    vouched: int = 0
    heads: int = 0
    key: str | None = None
    key_from: str = "none"
    seconds: float = 0.0
    memory_bytes_max: int = 0


class Outline(msgspec.Struct, gc=False):
    """What every commit says of itself, whatever its events are."""

    position: int
    previous: int
    stream: str
    id: str
    at: int
    actor: str
    tenant: str
    events: msgspec.Raw


class Row(NamedTuple):
    """One row as it stands in the file: nothing about it is sure, not even the types."""

    position: Any
    stream: Any
    previous: Any
    name: Any
    id: Any
    body: Any
    node: Any


_TYPES: Final[tuple[type | tuple[type, ...], ...]] = (
    int,
    int,
    int,
    (str, type(None)),
    bytes,
    bytes,
    bytes,
)

# Bytes that are no UTF-8 raise a ValueError.
_NO_COMMIT: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_outline: Final = msgspec.json.Decoder(Outline).decode


class Segment(msgspec.Struct, kw_only=True):
    """What the rows after `after` up to `until` gave; `fault` is the first that is wrong.

    `pages` holds, for each whole page, its root and the node that is stored at its end. `streams`
    are those that were met: key, position and name of the last commit of each; `begun` are those
    of them that began before `after`: key, previous, position and name of their first one here.
    """

    after: int
    until: int
    reached: int
    fault: Finding | None = None
    pages: list[tuple[bytes, bytes]] = []
    streams: bytes = b""
    begun: bytes = b""


class Streams:
    """Where each stream stands: 16 bytes for each commit of the log, however many streams.

    A name is kept as Python's keyed hash of it, so segments that are to be joined must come from
    processes of the same PYTHONHASHSEED.
    """

    def __init__(self, after: int, until: int) -> None:
        self._after = after
        self._last = array("q", bytes(8 * (until + 1)))
        self._name = array("q", bytes(8 * (until + 1)))
        self._begun = array("q")

    def follow(
        self,
        positions: Iterable[int],
        keys: Iterable[int],
        previous: Iterable[int],
        streams: Iterable[str],
    ) -> Finding | None:
        """Take up commits whose columns agree with their bodies; the first that is out of place."""
        last, names = self._last, self._name
        hashes = map(hash, streams)
        for at, key, before, name in zip(positions, keys, previous, hashes, strict=True):
            if not before:
                names[key] = name
            elif last[key] != before or names[key] != name:
                if last[key] or key > self._after:
                    return _misplaced(at, before, last[key])
                self._begun.extend((key, before, at, name))
                names[key] = name
            last[key] = at
        return None

    def add_to(self, segment: Segment) -> None:
        """Tell `segment` of the streams."""
        met = array("q")
        for key, last in enumerate(self._last):
            if last:
                met.extend((key, last, self._name[key]))
        segment.streams, segment.begun = met.tobytes(), self._begun.tobytes()

    def join(self, segment: Segment) -> Finding | None:
        """Go on with a segment; the first commit that does not follow from those before it."""
        for key, previous, position, name in _tuples(segment.begun, 4):
            if self._last[key] != previous or self._name[key] != name:
                return _misplaced(position, previous, self._last[key])
        for key, last, name in _tuples(segment.streams, 3):
            self._last[key], self._name[key] = last, name
        return None


def _tuples(raw: bytes, length: int) -> Iterator[tuple[int, ...]]:
    numbers = iter(memoryview(raw).cast("q"))
    return zip(*[numbers] * length, strict=True)


def _misplaced(position: int, previous: int, last: int) -> Finding:
    if last == previous:
        return _fault(position, "the column stream is that of a stream of another name")
    stands = f"the last commit of its stream is {last}" if last else "its stream has none before it"
    return _fault(position, f"it follows commit {previous}, but {stands}")


def _fault(position: int, what: str) -> Finding:
    return Finding(subject="commit", position=position, what=what)


def check_page(
    after: int, until: int, rows: Sequence[Sequence[Any]], streams: Streams
) -> tuple[list[bytes], Finding | None]:
    """The nodes that end at each row of a page, and the first thing that is wrong with it."""
    if len(rows) == until - after:
        positions, keys, previous, names, ids, bodies, stored = zip(*rows, strict=True)
        if {bytes} == set(map(type, bodies)) and {int} == {*map(type, keys), *map(type, previous)}:
            with contextlib.suppress(*_NO_COMMIT, TypeError):
                outlines = list(map(_outline, bodies))
                nodes = page_nodes(_leaves(bodies))
                streams_of = [outline.stream for outline in outlines]
                if (
                    list(positions) == list(range(after + 1, until + 1))
                    and [outline.position for outline in outlines] == list(positions)
                    and [outline.previous for outline in outlines] == list(previous)
                    and "".join([outline.id for outline in outlines]) == b"".join(ids).hex()
                    and list(names)
                    == [
                        None if before else stream
                        for before, stream in zip(previous, streams_of, strict=True)
                    ]
                    and min(keys) > 0
                    and all(map(le, keys, positions))
                    and list(map(eq, keys, positions)) == list(map(not_, previous))
                    and nodes[: PAGE - 1] == list(stored[: PAGE - 1])
                ):
                    return nodes, streams.follow(positions, keys, previous, streams_of)
    return _check_rows(after, until, rows, streams)


def _leaves(bodies: Iterable[bytes]) -> list[bytes]:
    # Not `leaf_hash` and below not `node_hash`: two calls for each commit are a tenth of the time.
    return [sha256(LEAF + body).digest() for body in bodies]


def page_nodes(leaves: list[bytes]) -> list[bytes]:
    """The root of the largest subtree of a page that ends at each leaf."""
    nodes = list(leaves)
    level, step = leaves, 1
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(NODE + left + right).digest() for left, right in pairs]
        step *= 2
        nodes[step - 1 :: step] = level
    return nodes


def _check_rows(
    after: int, until: int, rows: Iterable[Sequence[Any]], streams: Streams
) -> tuple[list[bytes], Finding | None]:
    """As `check_page`, row by row."""
    leaves: list[bytes] = []
    stored: list[Any] = []
    fault: Finding | None = None
    expected = after
    for row in map(Row._make, rows):
        expected += 1
        if row.position != expected:
            missing = f"it is missing: after commit {expected - 1} comes commit {row.position}"
            fault = fault or _fault(expected, missing)
            break
        leaves.append(leaf_hash(row.body if isinstance(row.body, bytes) else b""))
        stored.append(row.node)
        fault = fault or _row_fault(row, streams)
    else:
        if expected < until and fault is None:
            fault = _fault(expected + 1, "it is missing, and the log goes on after it")
    nodes = page_nodes(leaves)
    changed = node_fault(nodes[: PAGE - 1], stored[: PAGE - 1])
    if changed is not None:
        fault = _first(fault, _fault(after + changed[0], changed[1]))
    return nodes, fault


def _first(one: Finding | None, other: Finding) -> Finding:
    if one is None or one.position is None or other.position is None:
        return other
    if one.position == other.position:
        return _fault(one.position, f"{other.what}; {one.what}")
    return min(one, other, key=lambda found: found.position or 0)


def node_fault(nodes: Sequence[bytes], stored: Sequence[Any]) -> tuple[int, str] | None:
    """The first of `nodes`, counted from 1, that is not the stored one, and what was changed."""
    for number, (node, there) in enumerate(zip(nodes, stored, strict=True), 1):
        if node != there:
            above = number + (number & -number)  # where the next larger subtree ends
            if above <= len(nodes) and nodes[above - 1] == stored[above - 1]:
                return number, "the hash stored with it is not its own; its body is as it was"
            return number, "its body is not the one that was hashed"
    return None


def _row_fault(row: Row, streams: Streams) -> Finding | None:
    wrong = list(_differences(row))
    if wrong:
        return _fault(row.position, "; ".join(wrong))
    stream = _outline(row.body).stream
    return streams.follow([row.position], [row.stream], [row.previous], [stream])


def _differences(row: Row) -> Iterable[str]:
    """What the columns of a row say that its body does not."""
    for name, value, kind in zip(Row._fields, row, _TYPES, strict=True):
        if not isinstance(value, kind):
            yield f"the column {name} is of another type"
            return
    try:
        outline = _outline(row.body)
    except _NO_COMMIT as error:
        yield f"its body is no commit ({error})"
        return
    if outline.position != row.position:
        yield f"its body says that it is commit {outline.position}"
    if outline.previous != row.previous:
        yield f"the column previous says {row.previous}, its body {outline.previous}"
    if outline.id != row.id.hex():
        yield f"the column id says {row.id.hex()}, its body {outline.id}"
    if not 0 < row.stream <= row.position or (row.stream == row.position) == bool(row.previous):
        yield f"the column stream says {row.stream}, which cannot be"
    if row.name != (None if row.previous else outline.stream):
        yield "the column name is not what its body makes it"


def joined(segments: Iterable[Segment], size: int) -> tuple[int, Finding | None]:
    """How far the log holds by itself, and the first commit that is wrong.

    The segments follow one another from the start of the log.
    """
    streams, tree = Streams(0, size), Tree()
    nodes: list[bytes] = []
    stored: list[bytes] = []
    faults: list[Finding] = []
    reached = 0
    for segment in segments:
        reached = segment.reached
        found = (segment.fault, streams.join(segment))
        faults += [fault for fault in found if fault is not None]
        for root, node in segment.pages:
            nodes.append(tree.append(root))
            stored.append(node)
        if faults:
            break
    changed = node_fault(nodes, stored)
    if changed is not None:
        faults.append(_fault(changed[0] * PAGE, changed[1]))
    if not faults:
        return reached, None
    first = min(faults, key=lambda fault: fault.position or size + 1)
    return (reached if first.position is None else first.position - 1), first


def judged(
    heads: Iterable[tuple[str, Checkpoint]],
    size: int,
    holds_to: int,
    root_of: Callable[[int], bytes],
) -> tuple[int, list[Finding]]:
    """Up to where heads vouch for the log, and what they say against it.

    Up to `holds_to` the log agrees with itself; `root_of` gives its root at a size up to there.
    """
    vouched = 0
    findings: list[Finding] = []
    for name, head in sorted(heads, key=lambda pair: pair[1].size):
        if head.size > size:
            words = f"the log ends at {size}, and {name} saw it with {head.size} commits: its end "
            words += "was cut off, or an older copy of it was put back"
            return vouched, [
                *findings,
                Finding(subject="history", what=words, after=size, until=head.size),
            ]
        if head.size > holds_to or findings:
            continue
        if root_of(head.size) == head.root:
            vouched = head.size
            continue
        words = f"{name} was signed over other commits than these: they were changed, added or "
        words += "left out, and all hashes made anew"
        findings.append(Finding(subject="history", what=words, after=vouched, until=head.size))
    return vouched, findings
