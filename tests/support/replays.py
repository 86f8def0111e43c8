"""What the files of a service hold, and what a fold of its log from zero says they must hold."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.commit import Commit, restore
from eventstore.sqlite.log import FILE_NAME as LOG_FILE
from eventstore.sqlite.log import SqliteLog
from projections.folds.references import references
from projections.folds.session import Session
from projections.marks import MARKS
from projections.subjects import SUBJECTS, fold, subject_of
from projections.views.store import FILE_NAME as VIEWS_FILE
from projections.views.store import NEXT
from sessions.dialects.native.wire import session_view

Tables = dict[str, list[tuple[Any, ...]]]
DELETED: Final = b"deleted"
_encode: Final = msgspec.json.Encoder().encode


class Replay:
    """The log folded commit by commit, and what was true of each session at each position."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ids: set[str] = set()
        self.states: dict[str, Any] = {}
        self.shown: dict[tuple[str, int], bytes] = {}
        self.facts: list[tuple[str, str, dict[str, Any]]] = []
        """Stream, type and data of every event."""

    def extend(self, bodies: Iterable[bytes]) -> None:
        """Fold in what comes after."""
        for body in bodies:
            commit = restore(body).commit
            assert commit.position == len(self.bodies) + 1
            self.bodies.append(body)
            self.ids.add(commit.id)
            self._apply(commit)

    def _apply(self, commit: Any) -> None:
        for event in commit.events:
            self.facts.append((commit.stream, event.type, msgspec.json.decode(event.data)))
        subject = subject_of(commit.stream)
        if subject is None:
            return
        before = self.states.get(commit.stream)
        assert commit.previous == (0 if before is None else before.position)
        state = self.states[commit.stream] = fold(subject, before, commit)
        if isinstance(state, Session):
            shown = DELETED if state.deleted else digest(_encode(session_view(state)))
            self.shown[state.id, commit.position] = shown

    def tables(self) -> Tables:
        """The rows that the views must hold, table by table, in the order of `created`."""
        tables: Tables = {subject.table: [] for subject in SUBJECTS.values()}
        labels, refs = [], []
        for stream, state in self.states.items():
            subject = subject_of(stream)
            assert subject is not None
            tables[subject.table].append(subject.row(state))
            if isinstance(state, Session):
                labels += [(state.created, label, state.tenant) for label in set(state.labels)]
                refs += [(state.created, *one, state.tenant) for one in references(state)]
        tables |= {"session_labels": labels, "session_refs": refs}
        return {name: sorted(rows) for name, rows in tables.items()}


def state_of_stream(stream: str, commits: Iterable[Commit]) -> Any:
    """The state of a stream from all its commits in one go; None for what no view shows."""
    subject = subject_of(stream)
    state = None
    if subject is not None:
        for commit in commits:
            state = fold(subject, state, commit)
    return state


def digest(body: bytes) -> bytes:
    """What is kept of an answer."""
    return sha256(body).digest()


def bodies_in(folder: Path, after: int = 0) -> list[bytes]:
    """The commits as the log of `folder` stores them; positions without a gap."""
    with read_only(folder / LOG_FILE) as log:
        sql = "SELECT position, body FROM commits WHERE position > ? ORDER BY position"
        rows = log.execute(sql, (after,)).fetchall()
    assert [position for position, _ in rows] == list(range(after + 1, after + len(rows) + 1))
    return [body for _, body in rows]


def tables_in(folder: Path) -> Tables:
    """The rows that the views of `folder` hold."""
    columns = {subject.table: subject.columns for subject in SUBJECTS.values()}
    columns |= {marks.table: marks.columns for marks in MARKS}
    with read_only(folder / VIEWS_FILE) as views:
        views.execute("BEGIN")  # all tables as of one moment
        return {
            table: sorted(views.execute(f"SELECT {', '.join(names)} FROM {table}"))
            for table, names in columns.items()
        }


def rebuild_tables_in(folder: Path) -> list[str]:
    """The tables that a rebuild left behind."""
    with read_only(folder / VIEWS_FILE) as views:
        found = views.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return [name for (name,) in found if name.endswith(NEXT)]


def checkpoint_in(folder: Path) -> int:
    """How far the views of `folder` are."""
    with read_only(folder / VIEWS_FILE) as views:
        [(position,)] = views.execute("SELECT position FROM checkpoint")
    return int(position)


@contextlib.asynccontextmanager
async def opened_log(folder: Path) -> AsyncIterator[SqliteLog]:
    """The log of a folder whose service does not run."""
    log = await SqliteLog.open(folder)
    try:
        yield log
    finally:
        await log.close()


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection beside the service, as scripts open it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
    try:
        yield connection
    finally:
        connection.close()
