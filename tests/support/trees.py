"""RFC 9162 section 2.1 written down word for word, to judge the implementation by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256


def tree_hash(bodies: Sequence[bytes]) -> bytes:
    """MTH of section 2.1.1."""
    if not bodies:
        return sha256(b"").digest()
    if len(bodies) == 1:
        return sha256(b"\x00" + bodies[0]).digest()
    k = split(len(bodies))
    return sha256(b"\x01" + tree_hash(bodies[:k]) + tree_hash(bodies[k:])).digest()


def split(n: int) -> int:
    """The largest power of two smaller than `n`."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, bodies: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D_n) of section 2.1.3.1."""
    if len(bodies) == 1:
        return []
    k = split(len(bodies))
    if m < k:
        return [*path(m, bodies[:k]), tree_hash(bodies[k:])]
    return [*path(m - k, bodies[k:]), tree_hash(bodies[:k])]


def proof(m: int, bodies: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D_n) of section 2.1.4.1."""
    return _subproof(m, bodies, whole=True)


def _subproof(m: int, bodies: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if m == len(bodies):
        return [] if whole else [tree_hash(bodies)]
    k = split(len(bodies))
    if m <= k:
        return [*_subproof(m, bodies[:k], whole=whole), tree_hash(bodies[k:])]
    return [*_subproof(m - k, bodies[k:], whole=False), tree_hash(bodies[:k])]


def root_of_bodies(bodies: Iterable[bytes]) -> bytes:
    """`tree_hash` for long logs: level by level, an odd last node is passed up as it is."""
    level = [sha256(b"\x00" + body).digest() for body in bodies]
    if not level:
        return sha256(b"").digest()
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
    return level[0]
