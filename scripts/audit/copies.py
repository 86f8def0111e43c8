"""Whether a copy is whole: what SQLite says of a file, and a fold of a log from zero."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from eventstore.commit import restore
from eventstore.errors import UnknownEvent
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


def replay(copy: Archive, advance: Advance) -> dict[str, int]:
    """Fold every stream from zero; how many there are by kind. Raises Disagrees."""
    streams: dict[str, int] = {}
    stream, state = 0, None
    subject: Subject | None = None
    folded = 0
    for page in copy.by_stream(copy.size):
        for began, body in page:
            commit = restore(body).commit
            if began != stream:
                stream, state = began, None
                subject = subject_of(commit.stream)
                kind = commit.stream.partition("/")[0]
                streams[kind] = streams.get(kind, 0) + 1
            if subject is not None:
                state = _folded(subject, state, commit)
        folded += len(page)
        advance(folded)
    return streams


def _folded(subject: Subject, state: Any, commit: Any) -> Any:
    try:
        return fold(subject, state, commit)
    except (UnknownEvent, msgspec.MsgspecError) as error:
        raise Disagrees(f"commit {commit.position} cannot be replayed: {error}") from None
