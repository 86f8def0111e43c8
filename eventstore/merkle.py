"""The Merkle tree over the commits of a log, hashed as RFC 9162 section 2.1 says.

Position p is leaf p - 1. The log stores one hash per commit: the root of the largest perfect
subtree that ends there. Position p ends a perfect subtree of size 2^k for every k up to the number
of trailing zero bits of p, so the open nodes of a tree of n leaves stand at the positions reached
by clearing the low bits of n one after the other: a log opens with log2(n) look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, TypeVar

HASH_BYTES: Final = 32
LEAF: Final = b"\x00"
NODE: Final = b"\x01"
"""What is hashed before a leaf, and before the two halves of an inner node."""
EMPTY_ROOT: Final = sha256(b"").digest()

NodeAt = Callable[[int], bytes]
"""The stored hash at a position: the root of the largest perfect subtree that ends there."""
LeafAt = Callable[[int], bytes]
"""The leaf hash at a position."""
_Proof = TypeVar("_Proof")
Prover = Callable[[NodeAt, LeafAt], _Proof]
"""A proof, or a root, in want of the hashes that it is made of."""


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf (RFC 9162 section 2.1.1)."""
    return sha256(LEAF + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162 section 2.1.1)."""
    return sha256(NODE + left + right).digest()


def frontier_positions(size: int) -> list[int]:
    """Where the open nodes of a tree of `size` leaves end, largest subtree first."""
    positions = []
    while size:
        positions.append(size)
        size &= size - 1
    return positions[::-1]


class Tree:
    """The open nodes of a growing tree: log2(n) hashes, enough to append and to give the root."""

    __slots__ = ("_open", "size")

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        if len(frontier) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} open nodes")
        self.size = size
        self._open = list(frontier)

    def copy(self) -> Tree:
        """An independent tree of the same leaves."""
        return Tree(self.size, self._open)

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf hash; returns the root of the largest perfect subtree that it completes."""
        node = leaf
        complete = self.size
        while complete & 1:
            node = node_hash(self._open.pop(), node)
            complete >>= 1
        self._open.append(node)
        self.size += 1
        return node

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._open:
            return EMPTY_ROOT
        node = self._open[-1]
        for left in reversed(self._open[:-1]):
            node = node_hash(left, node)
        return node


def subtree_root(begin: int, end: int, node_at: NodeAt, leaf_at: LeafAt) -> bytes:
    """The root over the leaves of positions begin + 1 .. end, as RFC 9162 splits them."""
    size = end - begin
    if size == 1:
        return leaf_at(end)
    if size & (size - 1) == 0 and end & -end == size:
        return node_at(end)
    split = 1 << (size - 1).bit_length() - 1
    left = subtree_root(begin, begin + split, node_at, leaf_at)
    return node_hash(left, subtree_root(begin + split, end, node_at, leaf_at))


def within(size: int, log_size: int) -> int:
    """`size`; raises ValueError unless a log of `log_size` commits once had it."""
    if not 0 <= size <= log_size:
        raise ValueError(f"the log has {log_size} commits, not {size}")
    return size


def looked_up(prover: Prover[object]) -> tuple[set[int], set[int]]:
    """The positions whose node and whose leaf `prover` asks for, so that one query finds all."""
    nodes: set[int] = set()
    leaves: set[int] = set()

    def node_at(position: int) -> bytes:
        nodes.add(position)
        return EMPTY_ROOT

    def leaf_at(position: int) -> bytes:
        leaves.add(position)
        return EMPTY_ROOT

    prover(node_at, leaf_at)
    return nodes, leaves


def inclusion_proof(position: int, size: int, node_at: NodeAt, leaf_at: LeafAt) -> list[bytes]:
    """The audit path of `position` in the tree of `size` leaves (RFC 9162 section 2.1.3)."""
    if not 1 <= position <= size:
        raise ValueError(f"position {position} is not in a tree of {size} leaves")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        split = begin + (1 << (end - begin - 1).bit_length() - 1)
        if position <= split:
            path.append(subtree_root(split, end, node_at, leaf_at))
            end = split
        else:
            path.append(subtree_root(begin, split, node_at, leaf_at))
            begin = split
    return path[::-1]


def root_from_inclusion(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` leads to from `leaf`; raises ValueError on a path of another shape."""
    if not 1 <= position <= size:
        raise ValueError(f"position {position} is not in a tree of {size} leaves")
    index, last, node = position - 1, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the proof is too long")
        if index & 1 or index == last:
            node = node_hash(sibling, node)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        index >>= 1
        last >>= 1
    if last:
        raise ValueError("the proof is too short")
    return node


def consistency_proof(old: int, size: int, node_at: NodeAt, leaf_at: LeafAt) -> list[bytes]:
    """The proof that the tree of `size` leaves extends that of `old` (RFC 9162 section 2.1.4)."""
    if not 0 < old <= size:
        raise ValueError(f"there is no proof from {old} to {size}")
    path: list[bytes] = []
    begin, end, whole = 0, size, True
    while old != end:
        split = begin + (1 << (end - begin - 1).bit_length() - 1)
        if old <= split:
            path.append(subtree_root(split, end, node_at, leaf_at))
            end = split
        else:
            path.append(subtree_root(begin, split, node_at, leaf_at))
            begin, whole = split, False
    if not whole:
        path.append(subtree_root(begin, end, node_at, leaf_at))
    return path[::-1]


def consistent(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """True if `path` proves that the tree (size, root) extends (old, old_root)."""
    if old == size:
        return not path and old_root == root
    if not 0 < old < size:
        return False
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    index, last = old - 1, size - 1
    while index & 1:
        index >>= 1
        last >>= 1
    was = now = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if index & 1 or index == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            while not index & 1 and index:
                index >>= 1
                last >>= 1
        else:
            now = node_hash(now, sibling)
        index >>= 1
        last >>= 1
    return last == 0 and was == old_root and now == root
