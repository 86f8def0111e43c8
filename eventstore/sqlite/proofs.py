"""Roots and proofs from the file: what they are made of is fetched in one query."""

from __future__ import annotations

from typing import TypeVar

import aiosqlite
import msgspec

from eventstore.errors import LogFormatError
from eventstore.merkle import Prover, looked_up
from eventstore.sqlite.storage import QUERIES

_Proof = TypeVar("_Proof")


async def proved(connection: aiosqlite.Connection, prover: Prover[_Proof]) -> _Proof:
    """What `prover` makes of the stored hashes; one thread hop."""
    nodes, leaves = looked_up(prover)
    # At an odd position the stored hash is the leaf itself, and its body need not be read.
    nodes |= {position for position in leaves if position & 1}
    wanted = [*nodes, *(-position for position in leaves if not position & 1)]
    numbers = msgspec.json.encode(wanted).decode()
    rows = await connection.execute_fetchall(QUERIES["hashes"], (numbers,))
    found: dict[int, bytes] = {number: digest for number, digest in rows}  # noqa: C416 - Row
    if len(found) != len(wanted):
        missing = min(abs(number) for number in wanted if number not in found)
        raise LogFormatError(f"commit {missing} is missing")

    def node_at(position: int) -> bytes:
        return found[position]

    def leaf_at(position: int) -> bytes:
        return found[position if position & 1 else -position]

    return prover(node_at, leaf_at)
