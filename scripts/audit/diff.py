"""What changed between --a and --b, field by field, with the commits that did it.

Of a session, a machine or everything. With --rebuild: the log folded from zero with today's code,
held against every row of the live lists. Exit code 0: equal; 1: they differ; 2: it could not be
found out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from eventstore.commit import Commit, Position
from eventstore.sqlite.archive import Archive
from projections.folds.browser import Visit
from projections.folds.work import Work
from projections.subjects import SUBJECTS, Subject, fold, subject_of
from projections.wording import open_only, plain, shown, time_text
from scripts.audit import command
from scripts.audit.checking import check
from scripts.audit.command import CannotRun
from scripts.audit.lines import Telling
from scripts.audit.streams import named_stream

COMMITS_MAX: Final = 20
PROGRESS_EVERY: Final = 500
VALUE_CHARS_MAX: Final = 200
# They change with every commit and are told by the heading.
DULL: Final = frozenset({"position", "updated_at"})
_STATES: Final[tuple[tuple[str, type[msgspec.Struct]], ...]] = (
    *(("", subject.state) for subject in SUBJECTS.values()),
    *(("browser.", Visit), ("work.", Work)),
)
# Microseconds since the epoch in every state.
INSTANTS: Final = frozenset(
    name
    for prefix, state in _STATES
    for field in state.__struct_fields__
    if (name := prefix + field).endswith("_at")
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field of two states; `commits` are the last positions that changed it, of `count`."""

    field: str
    before: Any
    after: Any
    commits: list[Position]
    count: int


class Changed(msgspec.Struct, frozen=True):
    """One stream: its revision at either point, None where it did not exist, and what differs."""

    stream: str
    a: Position | None
    b: Position | None
    changes: list[Change]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two points of a log, or the log with the lists."""
    made = command.parser(__doc__)
    made.add_argument("--a", metavar="POSITION|TIME", help="the earlier point")
    made.add_argument("--b", metavar="POSITION|TIME", help="the later point")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--session", metavar="ID", help="this session; any dialect's id of it")
    what.add_argument("--vm", metavar="ID", help="this machine")
    what.add_argument("--rebuild", action="store_true", help="the log against the live lists")
    return command.answer(arguments, made, _run)


def _run(given: argparse.Namespace) -> int:
    points = (given.a, given.b)
    if given.rebuild != (points == (None, None)) or (not given.rebuild and None in points):
        raise CannotRun("give --a and --b, or --rebuild alone")
    with Archive(given.data) as archive:
        if given.rebuild:
            return check(archive, as_json=given.json)
        a, b = (command.moment(text, archive) for text in points)
        if a > b:
            raise CannotRun(f"--a is position {a} and comes after --b, position {b}")
        with command.pipe_may_close():
            return _differ(given, archive, a, b)


def _differ(given: argparse.Namespace, archive: Archive, a: Position, b: Position) -> int:
    streams = _streams(given, archive, a, b)
    found = 0
    with command.progress("comparing", len(streams), quiet=sys.stdout.isatty()) as advance:
        for number, began in enumerate(streams):
            if number % PROGRESS_EVERY == 0:
                advance(number)
            changed = _changed(archive, began, a, b)
            if changed is not None:
                found += 1
                _tell(given, archive, changed)
    if not given.json:
        differ = "1 stream differs" if found == 1 else f"{found or 'no'} streams differ"
        print(f"{differ} between positions {a} and {b}")
    return command.DOES_NOT_HOLD if found else command.HOLDS


def _streams(
    given: argparse.Namespace, archive: Archive, a: Position, b: Position
) -> list[Position]:
    """Where the streams began that have to be looked at: others cannot differ."""
    name = named_stream(given, archive)
    if name is None:
        return archive.streams(a, b)
    return [next(archive.stream(name)).commit.position]


def _changed(archive: Archive, began: Position, a: Position, b: Position) -> Changed | None:
    """What differs of the stream that began there; None if nothing does."""
    before, state, subject = None, None, None
    moved: dict[str, list[Position]] = {}
    stream = ""
    for commit in archive.commits_of(began, b):
        subject, stream = subject_of(commit.stream), commit.stream
        if subject is None:
            return None
        after = fold(subject, state, commit)
        if commit.position <= a:
            before = after
        else:
            for name in _moved(subject, state, after):
                moved.setdefault(name, []).append(commit.position)
        state = after
    if subject is None or before == state:
        return None
    changes = list(_changes(_fields(before), _fields(state), moved))
    return Changed(stream, _revision(before), _revision(state), changes)


def _moved(subject: Subject, before: Any, after: Any) -> Iterator[str]:
    """The fields of the state that one commit changed."""
    for name in subject.state.__struct_fields__:
        if before is None or getattr(before, name) != getattr(after, name):
            yield name


def _fields(state: Any) -> dict[str, Any]:
    return {} if state is None else msgspec.structs.asdict(state)


def _revision(state: Any) -> Position | None:
    return None if state is None else state.position


def _changes(
    before: dict[str, Any], after: dict[str, Any], moved: dict[str, list[Position]]
) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        for field, old, new in _parts(name, before.get(name), after.get(name)):
            commits = moved.get(name, [])
            yield Change(
                field=field,
                before=open_only(msgspec.to_builtins(old)),
                after=open_only(msgspec.to_builtins(new)),
                commits=commits[-COMMITS_MAX:],
                count=len(commits),
            )


def _parts(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The field, or, where it is an object, those of its keys that differ."""
    if old == new:
        return
    old, new = (
        msgspec.structs.asdict(one) if isinstance(one, msgspec.Struct) else one
        for one in (old, new)
    )
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield name, old, new
        return
    for key in dict.fromkeys((*old, *new)):
        yield from _parts(f"{name}.{key}", old.get(key), new.get(key))


def _tell(given: argparse.Namespace, archive: Archive, changed: Changed) -> None:
    if given.json:
        command.say(changed)
        return
    revisions = (("nothing" if at is None else str(at)) for at in (changed.a, changed.b))
    print(f"{plain(changed.stream)}: {' -> '.join(revisions)}")
    by: dict[Position, Commit] = {}
    for change in changed.changes:
        if change.field in DULL:
            continue
        values = (_value(change.field, value) for value in (change.before, change.after))
        print(f"  {plain(change.field)}: {' -> '.join(values)}{_who(archive, change, by)}")
    for position in sorted(by):
        for line in Telling().lines([by[position]]):
            at, actor = time_text(line.commit.at), plain(line.commit.actor)
            print(f"    {position}  {at}  {actor}  {line.told.words}")


def _value(field: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if field in INSTANTS and type(value) is int:
        return time_text(value)
    return shown(value, VALUE_CHARS_MAX)


def _who(archive: Archive, change: Change, by: dict[Position, Commit]) -> str:
    if not change.commits:
        return ""
    last = change.commits[-1]
    by.setdefault(last, archive.commit(last))
    more = f", {change.count} commits" if change.count > 1 else ""
    return f"  (by {last}{more})"
