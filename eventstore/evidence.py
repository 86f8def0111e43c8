"""Evidence: commits, a signed head, and the hashes that lead from the ones to the other; pure.

A bundle is one line of JSON, then the exact body of each commit on a line of its own, then the
bytes of the artifacts one after the other (docs/adr/0008-evidence.md).
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from eventstore.errors import EvidenceImpossible
from eventstore.merkle import HASH_BYTES, LeafAt, NodeAt, node_hash, subtree_root

FORMAT: Final = "sessiond evidence v1"
NEWLINE: Final = b"\n"

Span = tuple[int, int]
"""The positions begin + 1 .. end."""


class Chain(msgspec.Struct, frozen=True):
    """The positions of one stream's commits, from its first one on."""

    stream: str
    positions: list[int]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle holds beside the commits themselves."""

    session: str
    note: str
    key: str
    chains: Sequence[Chain]
    nodes: bytes
    artifacts: Sequence[str] = ()


def first_line(contents: Contents) -> bytes:
    """The line of JSON that a bundle begins with; the same contents give the same bytes."""
    line = {
        "artifacts": list(contents.artifacts),
        "commits": sum(len(chain.positions) for chain in contents.chains),
        "format": FORMAT,
        "key": contents.key,
        "nodes": base64.b64encode(contents.nodes).decode(),
        "note": contents.note,
        "session": contents.session,
    }
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode() + NEWLINE


def body_line(body: bytes) -> bytes:
    """A commit's line; raises EvidenceImpossible for a body that is more than one line."""
    if NEWLINE in body:
        raise EvidenceImpossible("a commit holds a line break")
    return body + NEWLINE


def last_words(chains: Iterable[Chain]) -> list[str]:
    """What the head is to say of each stream: which of its commits is the last one under it."""
    return [f"last {chain.stream} {chain.positions[-1]}" for chain in chains]


def own_note(note: str, name: str) -> str:
    """`note` with no signature but those by the key called `name`."""
    body, _, signatures = note.partition("\n\n")
    own = [line for line in signatures.split("\n") if line.split(" ")[1:2] == [name]]
    return "\n".join([body, "", *own, ""])


def all_positions(chains: Iterable[Chain]) -> list[int]:
    """The positions of all commits that are shown, in the order of the log."""
    return sorted(position for chain in chains for position in chain.positions)


def gaps(positions: Sequence[int], size: int) -> Iterator[Span]:
    """The largest subtrees of a tree of `size` leaves without one of `positions`, in order."""
    return _gaps((0, size), positions, 0, len(positions))


def _gaps(span: Span, positions: Sequence[int], low: int, high: int) -> Iterator[Span]:
    begin, end = span
    if low == high:
        yield span
    elif end - begin > 1:
        split = _split(begin, end)
        middle = bisect_right(positions, split, low, high)
        yield from _gaps((begin, split), positions, low, middle)
        yield from _gaps((split, end), positions, middle, high)


def nodes_of_tree(positions: Sequence[int], size: int, node_at: NodeAt, leaf_at: LeafAt) -> bytes:
    """The hashes that lead from the leaves at `positions` to the root, each of them once."""
    spans = gaps(positions, size)
    return b"".join(subtree_root(begin, end, node_at, leaf_at) for begin, end in spans)


def root_of(leaves: Mapping[int, bytes], size: int, nodes: bytes) -> bytes:
    """The root that `nodes` lead to from the leaf hashes; raises ValueError if they do not fit."""
    positions = sorted(leaves)
    given = [nodes[at : at + HASH_BYTES] for at in range(0, len(nodes), HASH_BYTES)]
    known = dict(zip(gaps(positions, size), given, strict=True))

    def root(begin: int, end: int) -> bytes:
        node = known.get((begin, end))
        if node is not None:
            return node
        if end - begin == 1:
            return leaves[end]
        split = _split(begin, end)
        return node_hash(root(begin, split), root(split, end))

    return root(0, size)


class SharedNodes:
    """The same hashes, gathered from an inclusion proof for each position."""

    def __init__(self, positions: Sequence[int], size: int) -> None:
        self._positions = positions
        self._size = size
        self._nodes: dict[Span, bytes] = {}

    def add(self, position: int, path: Sequence[bytes]) -> None:
        """Take what no other proof holds already from the audit path of `position`."""
        for span, node in zip(_siblings(position, self._size), path, strict=True):
            low = bisect_right(self._positions, span[0])
            if low == bisect_right(self._positions, span[1]):
                self._nodes[span] = node

    def nodes(self) -> bytes:
        """The hashes in order, once every position was added."""
        return b"".join(self._nodes[span] for span in gaps(self._positions, self._size))


def _siblings(position: int, size: int) -> list[Span]:
    """What the hashes of an audit path stand for, from the leaf up."""
    spans: list[Span] = []
    begin, end = 0, size
    while end - begin > 1:
        split = _split(begin, end)
        if position <= split:
            spans.append((split, end))
            end = split
        else:
            spans.append((begin, split))
            begin = split
    return spans[::-1]


def _split(begin: int, end: int) -> int:
    return begin + (1 << (end - begin - 1).bit_length() - 1)
