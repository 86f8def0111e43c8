"""The whole log folded anew, stream by stream, and compared with every row of the live views.

Streams come in the order in which they began, and so do the rows: both sides are walked at once,
and no more than one state is held.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from eventstore.commit import START, Commit, Position, restore
from eventstore.errors import EventStoreError
from eventstore.sqlite.archive import Archive, connect
from projections.folds.session import Session
from projections.marks import MARKS, Marks
from projections.subjects import SESSION, SUBJECTS, VIEWS_VERSION, Subject, fold, subject_of
from projections.views.store import FILE_NAME, QUERIES

_PAGE: Final = 500

Progress = Callable[[int], None]
"""Told how many commits were folded."""


class ViewsUnusable(EventStoreError):
    """The views cannot be compared with this log."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where the views first say something else than the log.

    `split` is the position of the event after which they part; START if no event explains the row.
    A row that is missing on one side is None there, and `column` is empty.
    """

    table: str
    created: Position
    id: str
    column: str
    expected: Any
    found: Any
    split: Position


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, up to the `checkpoint` of the views, and the first difference."""

    commits: int
    events: int
    rows: int
    checkpoint: Position
    difference: Difference | None = None


Row = tuple[Any, ...]


class _Folded(NamedTuple):
    """A stream as of the checkpoint, with what came to it later."""

    created: Position
    subject: Subject
    state: Any
    later: list[Commit]


class _Rows:
    """The rows of one table in order, one ahead."""

    def __init__(
        self, views: sqlite3.Connection, table: str, columns: tuple[str, ...], order: int = 1
    ) -> None:
        ordered = f"ORDER BY {', '.join(columns[:order])}"
        self._cursor = views.execute(f"SELECT {', '.join(columns)} FROM {table} {ordered}")
        self._rows = self._all()
        self.next: Row | None = next(self._rows, None)
        self.taken = 0

    def _all(self) -> Iterator[Row]:
        while page := self._cursor.fetchmany(_PAGE):
            yield from page

    def take(self, created: Position) -> Row | None:
        """The next row if it is of `created`."""
        taken = self.next
        if taken is None or taken[0] != created:
            return None
        self.next = next(self._rows, None)
        self.taken += 1
        return taken


def compare(archive: Archive, views_path: Path, progress: Progress) -> Compared:
    """Fold the log of `archive` and compare with the views, a file or the folder with it.

    A service may go on writing both. Raises ViewsUnusable, StorageError, LogFormatError.
    """
    file = views_path / FILE_NAME if views_path.is_dir() else views_path
    if not file.is_file():
        raise ViewsUnusable(f"there are none in {views_path}")
    views, shm = connect(file)
    try:
        with closing(views):
            views.execute("BEGIN")  # all tables as of one moment
            return _Comparison(archive, views, file).run(progress)
    except sqlite3.DatabaseError as error:
        raise ViewsUnusable(f"{file}: {error}") from error
    finally:
        if shm is not None:
            shm.unlink(missing_ok=True)


class _Comparison:
    def __init__(self, archive: Archive, views: sqlite3.Connection, file: Path) -> None:
        self._archive = archive
        self._checkpoint = _checkpoint(archive, views, file)
        self._end = archive.end()  # read after the views' moment began, so never behind them
        self._tables = {
            prefix: _Rows(views, subject.table, subject.columns)
            for prefix, subject in SUBJECTS.items()
        }
        self._marks = {
            marks: _Rows(views, marks.table, marks.columns, len(marks.columns)) for marks in MARKS
        }
        self._commits = self._events = 0

    def run(self, progress: Progress) -> Compared:
        """Walk both sides to the first difference or to the end."""
        return Compared(
            difference=self._difference(progress),
            commits=self._commits,
            events=self._events,
            rows=sum(rows.taken for rows in (*self._tables.values(), *self._marks.values())),
            checkpoint=self._checkpoint,
        )

    def _difference(self, progress: Progress) -> Difference | None:
        if self._checkpoint > self._end:
            where = {"expected": self._end, "found": self._checkpoint}
            return _difference("checkpoint", START, column="position", **where)
        for folded in self._folded(progress):
            found = self._check(folded)
            if found is not None:
                return found
        return self._left_over()

    def _folded(self, progress: Progress) -> Iterator[_Folded]:
        for created, bodies in itertools.groupby(self._bodies(progress), itemgetter(0)):
            subject: Subject | None = None
            state = None
            later = []
            for _, body in bodies:
                commit = restore(body).commit
                self._events += len(commit.events)
                if commit.position == created:
                    subject = subject_of(commit.stream)
                if commit.position > self._checkpoint:
                    later.append(commit)
                elif subject is not None:
                    state = fold(subject, state, commit)
            if subject is not None:
                yield _Folded(created, subject, state, later)

    def _bodies(self, progress: Progress) -> Iterator[tuple[Position, bytes]]:
        for page in self._archive.by_stream(self._end):
            yield from page
            self._commits += len(page)
            progress(self._commits)

    def _check(self, folded: _Folded) -> Difference | None:
        """One stream; a row that is newer than the checkpoint must be right for its position."""
        created, subject, state, later = folded
        rows = self._tables[subject.prefix]
        if rows.next is not None and rows.next[0] < created:
            return self._unexplained(subject, rows.next)
        found = rows.take(created)
        expected = None if state is None else subject.row(state)
        if found != expected:
            ahead = START if found is None else _position_of(found)
            for commit in later:
                if commit.position <= ahead:
                    state = fold(subject, state, commit)
            expected = None if state is None else subject.row(state)
        if found != expected:
            return self._told(folded, expected, found)
        if subject is not SESSION:
            return None
        checked = (self._check_marks(marks, created, state) for marks in MARKS)
        return next(filter(None, checked), None)

    def _check_marks(
        self, marks: Marks, created: Position, state: Session | None
    ) -> Difference | None:
        rows = self._marks[marks]
        if rows.next is not None and rows.next[0] < created:
            return _unexplained_mark(marks, rows.next)
        found = list(iter(lambda: rows.take(created), None))
        expected = _mark_rows(marks, state)
        if found == expected:
            return None
        until = self._checkpoint if state is None else max(self._checkpoint, state.position)
        states = self._history(SESSION, created, until)
        return _difference(
            marks.table,
            created,
            id="" if state is None else state.id,
            column=marks.columns[-2],
            expected=[_mark(row) for row in expected],
            found=[_mark(row) for row in found],
            split=_parting(((at, _mark_rows(marks, then)) for at, then in states), found),
        )

    def _told(self, folded: _Folded, expected: Row | None, found: Row | None) -> Difference:
        created, subject = folded.created, folded.subject
        known = expected or found
        assert known is not None
        if expected is None or found is None:
            split = created if found is None else START
            shown = {"expected": _shown(expected), "found": _shown(found)}
            return _difference(subject.table, created, id=known[1], split=split, **shown)
        column, wanted, seen = _first_unequal(subject, expected, found)
        until = max(self._checkpoint, min(_position_of(found), self._end))
        states = self._history(subject, created, until)
        values = ((at, _field(subject, subject.row(then), column)) for at, then in states)
        return _difference(
            subject.table,
            created,
            id=known[1],
            column=column,
            expected=wanted,
            found=seen,
            split=_parting(values, seen),
        )

    def _history(
        self, subject: Subject, created: Position, until: Position
    ) -> Iterator[tuple[Position, Any]]:
        """Each state of a stream with the position that gave it."""
        state = None
        for commit in self._archive.commits_of(created, until):
            state = fold(subject, state, commit)
            if state is not None:
                yield commit.position, state

    def _left_over(self) -> Difference | None:
        for prefix, rows in self._tables.items():
            if rows.next is not None:
                return self._unexplained(SUBJECTS[prefix], rows.next)
        for marks, rows in self._marks.items():
            if rows.next is not None:
                return _unexplained_mark(marks, rows.next)
        return None

    def _unexplained(self, subject: Subject, row: Row) -> Difference:
        return _difference(subject.table, row[0], id=row[1], found=_shown(row))


def _unexplained_mark(marks: Marks, row: Row) -> Difference:
    return _difference(marks.table, row[0], column=marks.columns[-2], found=_mark(row))


def _difference(table: str, created: Position, **given: Any) -> Difference:
    nothing = {"id": "", "column": "", "expected": None, "found": None, "split": START}
    return Difference(table=table, created=created, **(nothing | given))


def _parting(values: Iterable[tuple[Position, Any]], seen: Any) -> Position:
    """The position after the last one at which the fold gave what the view has.

    Where it never did, the position that gave the present value.
    """
    split, before, agreed = START, None, False
    for position, value in values:
        if value == seen:
            agreed, split = True, START
        elif split == START or (value != before and not agreed):
            split = position
        before = value
    return split


def _checkpoint(archive: Archive, views: sqlite3.Connection, file: Path) -> Position:
    rows = views.execute(QUERIES["checkpoint"]).fetchall()
    if not rows or rows[0][0] != archive.epoch:
        raise ViewsUnusable(f"{file} is of another log")
    if rows[0][1] != VIEWS_VERSION:
        raise ViewsUnusable(f"{file} has version {rows[0][1]}, this code makes {VIEWS_VERSION}")
    return Position(rows[0][2])


def _mark_rows(marks: Marks, state: Session | None) -> list[Row]:
    return [] if state is None else list[Row](marks.rows(state))


def _mark(row: Row) -> str:
    """What a row of marks says, without the session and its tenant."""
    return " ".join(map(str, row[1:-1]))


def _position_of(row: Row) -> Position:
    """The revision in the state of a row, START if that cannot be read."""
    try:
        return Position(int(msgspec.json.decode(row[-1])["position"]))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return START


def _shown(row: Row | None) -> Any:
    """The state of a row, as data where it can be read."""
    if row is None:
        return None
    try:
        return msgspec.json.decode(row[-1])
    except msgspec.DecodeError:
        return row[-1]


def _first_unequal(subject: Subject, expected: Row, found: Row) -> tuple[str, Any, Any]:
    """The first field of two states that differs, else the first column; with both values."""
    states = _shown(expected), _shown(found)
    if states[0] != states[1]:
        if not isinstance(states[1], dict):
            return "state", *states
        names = dict.fromkeys((*states[0], *states[1]))
        # `position` and the times change with every commit and so say little.
        dull = {"position", "updated_at", "active_at"}
        unequal = [name for name in names if states[0].get(name) != states[1].get(name)]
        name = next((name for name in unequal if name not in dull), unequal[0])
        return f"state.{name}", states[0].get(name), states[1].get(name)
    for column, wanted, seen in zip(subject.columns, expected, found, strict=True):
        if wanted != seen:
            return column, wanted, seen
    raise AssertionError("the rows are equal")


def _field(subject: Subject, row: Row, column: str) -> Any:
    """The value of a column or of a field of the state in a row."""
    name = column.removeprefix("state.")
    if name != column:
        return _shown(row).get(name)
    return row[subject.columns.index(column)] if column else row
