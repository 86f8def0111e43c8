"""The log in words, why a session is as it is (--why), and whether the lists hold (--check)."""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from eventstore.commit import START, Commit, Position, restore
from eventstore.sqlite.archive import Archive
from projections.events.status import KINDS
from projections.folds import session, vm
from scripts.audit import command
from scripts.audit.checking import check
from scripts.audit.command import CannotRun
from scripts.audit.lines import Page, Telling, as_object, names_session
from scripts.audit.streams import named_stream
from sessions.dialects.native.explanations import why_view
from sessions.domain.explanation import sentences
from sessions.domain.why import Trail, follow

PROGRESS_EVERY: Final = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell, explain or check."""
    made = command.parser(__doc__)
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        "--session", metavar="ID", help="this session and its machines; any dialect's id of it"
    )
    what.add_argument("--vm", metavar="ID", help="this machine")
    what.add_argument("--kind", choices=KINDS, help="commits of this kind")
    made.add_argument("--from", dest="begin", metavar="P|TIME", help="from this position or time")
    made.add_argument("--to", dest="end", metavar="P|TIME", help="to this position or time")
    made.add_argument(
        "--why", action="store_true", help="why the session is in its state, now or at --to"
    )
    made.add_argument(
        "--check", action="store_true", help="fold the log from zero and compare it with the lists"
    )
    return command.answer(arguments, made, _run)


def _run(given: argparse.Namespace) -> int:
    _refuse_what_does_not_go_together(given)
    with Archive(given.data) as archive:
        try:
            if given.check:
                return check(archive, as_json=given.json)
            return _why(given, archive) if given.why else _tell(given, archive)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            told = f"the log holds what is no commit ({error})"
            raise CannotRun(f"{told}: verify.py says where") from error


def _refuse_what_does_not_go_together(given: argparse.Namespace) -> None:
    narrowed = (given.session, given.vm, given.kind, given.begin, given.end)
    if given.check and (given.why or any(one is not None for one in narrowed)):
        raise CannotRun("--check takes the whole log, and no other choice than --json")
    if given.why and (given.session is None or given.begin is not None):
        raise CannotRun("--why needs --session, and takes no other choice than --to and --json")


def _tell(given: argparse.Namespace, archive: Archive) -> int:
    first, last = _range(given, archive)
    name = named_stream(given, archive)
    telling, commits = _told(archive, name, first, last)
    page = Page(archive.size, name)
    tag = None if given.kind is None else f"kind={given.kind}"
    quiet = sys.stdout.isatty()
    with (
        command.pipe_may_close(),
        command.progress("telling", max(0, last - first + 1), quiet=quiet) as advance,
    ):
        for number, line in enumerate(telling.lines(commits)):
            position = line.commit.position
            if number % PROGRESS_EVERY == 0:
                advance(max(0, position - first))
            if position >= first and (tag is None or tag in line.commit.tags):
                text = command.json_line(as_object(line)) if given.json else page.text(line)
                sys.stdout.write(text)
    return command.HOLDS


def _range(given: argparse.Namespace, archive: Archive) -> tuple[Position, Position]:
    """The first and the last position to tell."""
    first, last = Position(1), archive.size
    if given.end is not None:
        last = command.moment(given.end, archive)
    if given.begin is not None:
        first = command.moment(given.begin, archive)
        if not given.begin.isdigit():
            # All that happened at that very time is told, not only the last of it.
            before = command.time_us(given.begin) - 1
            first = Position(archive.position_at(before) + 1)
        if given.end is not None and first > last:
            raise CannotRun(f"--from {given.begin} comes after --to {given.end}")
    return first, last


def _told(
    archive: Archive, name: str | None, first: Position, last: Position
) -> tuple[Telling, Iterable[Commit]]:
    """Who tells, and what; a stream is told from its start, so that changes have a before."""
    if name is not None:
        return Telling(), _story_of(archive, name, last)
    before = Position(max(START, min(first - 1, archive.size)))
    return Telling(archive.commit(before).at if before else None), _whole(archive, before, last)


def _whole(archive: Archive, after: Position, last: Position) -> Iterator[Commit]:
    for page in archive.bodies(after, last):
        for body in page:
            yield restore(body).commit


def _story_of(archive: Archive, name: str, last: Position) -> Iterator[Commit]:
    """The commits of a stream and, of a session, those of its machines, in the order of the log."""
    names = [name]
    if name.startswith(session.PREFIX):
        session_id = name.removeprefix(session.PREFIX)
        machines = archive.firsts(vm.PREFIX)
        names += [first.stream for first in machines if names_session(first, session_id)]
    streams = ((one.commit for one in archive.stream(each, until=last)) for each in names)
    return heapq.merge(*streams, key=lambda commit: commit.position)


def _why(given: argparse.Namespace, archive: Archive) -> int:
    _, last = _range(given, archive)
    name = named_stream(given, archive)
    assert name is not None
    trail = follow(Trail(), (one.commit for one in archive.stream(name, until=last)))
    if trail.state is None:
        raise CannotRun(f"there was no such session yet at position {last}")
    if given.json:
        command.say(why_view(trail))
    else:
        print(*sentences(trail), sep="\n")
    return command.HOLDS
