"""Whether a copy of a log is whole: its hashes, its chains, and a fold of it from zero."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from eventstore.commit import START, Position, restore
from eventstore.errors import BadCheckpoint, UnknownEvent
from eventstore.heads import HeadFolder
from eventstore.merkle import Tree, leaf_hash
from eventstore.sqlite.archive import Archive
from projections.subjects import Subject, fold, subject_of
from scripts.audit.command import Advance


class Disagrees(Exception):
    """The copy is not the log."""


def check_file(path: Path) -> None:
    """Raises Disagrees unless SQLite finds tables and indexes of the database consistent."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Disagrees(f"the copy cannot be read: {error}") from None
    finally:
        connection.close()
    if found != "ok":
        raise Disagrees(f"the copy is not sound: {' '.join(str(found).split())}")


def check_tree(copy: Archive, advance: Advance) -> bytes:
    """The root of the copy's bodies; raises Disagrees where a stored hash is another."""
    tree = Tree()
    for page in copy.pages():
        for row in page:
            if row.position != tree.size + 1:
                raise Disagrees(f"position {tree.size + 1} is missing")
            if tree.append(leaf_hash(row.body)) != row.node:
                raise Disagrees(f"position {row.position} is not what its hash was made of")
        advance(tree.size)
    if tree.size != copy.size:
        raise Disagrees(f"position {tree.size + 1} is missing")
    return tree.root()


def replay(copy: Archive, advance: Advance) -> dict[str, int]:
    """Fold every stream from zero; how many there are by kind. Raises Disagrees."""
    streams: dict[str, int] = {}
    stream, head, state = START, START, None
    subject: Subject | None = None
    folded = 0
    for page in copy.by_stream(copy.size):
        for began, body in page:
            commit = restore(body).commit
            if began != stream:
                stream, head, state = began, START, None
                subject = subject_of(commit.stream)
                kind = commit.stream.partition("/")[0]
                streams[kind] = streams.get(kind, 0) + 1
            if commit.previous != head:
                raise Disagrees(f"position {commit.position} does not follow position {head}")
            head = commit.position
            if subject is not None:
                state = _folded(subject, state, commit)
        folded += len(page)
        advance(folded)
    if folded != copy.size:
        raise Disagrees(f"{copy.size - folded} commits belong to no stream")
    return streams


def _folded(subject: Subject, state: Any, commit: Any) -> Any:
    try:
        return fold(subject, state, commit)
    except (UnknownEvent, msgspec.MsgspecError) as error:
        raise Disagrees(f"position {commit.position} cannot be replayed: {error}") from None


def check_head(copy: Archive, heads: HeadFolder) -> Position | None:
    """The size of the newest signed head that the copy reaches, None where there is none.

    Raises Disagrees where the copy has another root there, or the head is not what was signed.
    """
    reached = [file for file in heads.files() if int(file.stem) <= copy.size]
    try:
        verifier = heads.verifier()
        if verifier is None or not reached:
            return None
        head = verifier.open(reached[-1].read_text())
    except BadCheckpoint as error:
        raise Disagrees(str(error)) from None
    if copy.root(head.size) != head.root:
        raise Disagrees(f"the signed head {reached[-1]} has another root at that position")
    return Position(head.size)
