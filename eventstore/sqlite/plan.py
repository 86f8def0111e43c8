"""Which appends of a batch go in, and where: pure, so that the rules can be read in one place.

The batch is decided against the heads of its streams as if its appends came one after the other.
An append that does not fit is set aside, not refused: it may be the repeat of an earlier commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from eventstore.commit import START, Append, Position, Recorded, record
from eventstore.merkle import Tree, leaf_hash


class StreamHead(NamedTuple):
    """`key` is the position of a stream's first commit, `head` that of its last; (0, 0): none."""

    key: Position
    head: Position


NO_STREAM: Final = StreamHead(START, START)


class Row(NamedTuple):
    """One row of the table `commits`, and the commit that it stores."""

    recorded: Recorded
    key: Position
    commit_id: bytes
    node: bytes

    def columns(self) -> tuple[object, ...]:
        """The values of the row in the order of `insert_commits`."""
        commit = self.recorded.commit
        name = None if commit.previous else commit.stream
        body = self.recorded.body
        return commit.position, self.key, commit.previous, name, self.commit_id, body, self.node


class Plan(NamedTuple):
    """`rows` go in, `placed` and `aside` are indexes into the batch, `tree` is the tree after.

    `aside` also says where the stream of each append stood when its turn came.
    """

    rows: list[Row]
    placed: list[int]
    aside: dict[int, Position]
    heads: dict[str, StreamHead]
    tree: Tree


def plan(
    batch: Sequence[Append],
    heads: Mapping[str, StreamHead],
    tree: Tree,
    at_us: int,
    *,
    taken: Iterable[bytes] = (),
) -> Plan:
    """Place the appends of `batch` on top of `tree`; `taken` are commit ids known to be used.

    `heads` must know every stream but those that are expected not to exist: they are taken at
    their word here, and the unique indexes refuse the batch if they or an id were wrong.
    """
    ids = set(taken)
    made = Plan([], [], {}, {}, tree.copy())
    for index, wish in enumerate(batch):
        key, head = made.heads.get(wish.stream) or heads.get(wish.stream, NO_STREAM)
        if wish.commit_id in ids or (wish.expected is not None and wish.expected != head):
            made.aside[index] = head
            continue
        ids.add(wish.commit_id)
        position = Position(made.tree.size + 1)
        recorded = record(wish, position, head, at_us)
        node = made.tree.append(leaf_hash(recorded.body))
        made.rows.append(Row(recorded, key or position, wish.commit_id, node))
        made.placed.append(index)
        made.heads[wish.stream] = StreamHead(key or position, position)
    return made
