"""State as it was at --at: of one session or machine, or the list of sessions of that moment.

Without --session and --vm it is the list, newest first, as the service would have given it then.
Snapshots that the service left are used where they fit the log; --from-zero folds everything.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec

from eventstore.commit import Position
from eventstore.sqlite.archive import Archive
from projections.events.status import KINDS, STATUSES
from projections.folds.session import Session
from projections.folds.vm import Vm
from projections.history import History
from projections.snapshots import SnapshotLost, Snapshots
from projections.subjects import SESSION, fold, subject_of
from projections.views.lists import SessionFilter
from projections.views.matching import session_matches
from projections.wording import open_only, plain, shown, time_text
from scripts.audit import command
from scripts.audit.command import CannotRun
from scripts.audit.past_log import ArchiveLog
from scripts.audit.streams import named_stream
from sessions.dialects.native.wire import session_view
from sessions.dialects.native.wire_vms import vm_view

PROGRESS_EVERY = 1_000
VALUE_CHARS_MAX = 400


def main(arguments: Sequence[str] | None = None) -> int:
    """Show what was."""
    made = command.parser(__doc__)
    made.add_argument("--at", required=True, metavar="POSITION|TIME", help="as of then")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--session", metavar="ID", help="this session; any dialect's id of it")
    what.add_argument("--vm", metavar="ID", help="this machine")
    what.add_argument("--list", action="store_true", help="the list of sessions, also unless told")
    made.add_argument("--kind", action="append", choices=KINDS, default=[], help="of this kind")
    made.add_argument(
        "--status", action="append", choices=STATUSES, default=[], help="in this status"
    )
    made.add_argument("--label", action="append", default=[], help="with this label")
    made.add_argument("--tenant", help="of this tenant")
    made.add_argument("--owner", help="made by this actor, such as key:ci")
    made.add_argument("--from-zero", action="store_true", help="use no snapshots")
    return command.answer(arguments, made, _run)


def _run(given: argparse.Namespace) -> int:
    filters = (given.kind, given.status, given.label, given.tenant, given.owner)
    if (given.session or given.vm) and any(filters):
        raise CannotRun("a filter is for the list, not for one session or machine")
    with Archive(given.data) as archive, command.pipe_may_close():
        position = command.moment(given.at, archive)
        return asyncio.run(_shown(given, archive, position))


async def _shown(given: argparse.Namespace, archive: Archive, position: Position) -> int:
    snapshots = Snapshots(archive.path.parent, archive.epoch)
    if not given.from_zero:
        await snapshots.open_beside(archive.size)
    try:
        name = named_stream(given, archive)
        if name is None:
            await _list(given, archive, snapshots, position)
        else:
            history = History(ArchiveLog(archive), snapshots)
            _one(given, archive, name, await history.state(name, position), position)
    except (sqlite3.Error, SnapshotLost) as error:
        raise CannotRun(f"{snapshots.path} cannot be read ({error}): use --from-zero") from None
    finally:
        await snapshots.close()
    return command.HOLDS


def _one(
    given: argparse.Namespace, archive: Archive, name: str, state: Any, position: Position
) -> None:
    if state is None:
        first = next(archive.stream(name)).commit
        raise CannotRun(
            f"{plain(name)} did not exist yet at position {position}: "
            f"it begins at position {first.position}, {time_text(first.at)}"
        )
    if given.json:
        command.say(_as_json(state, position))
        return
    when = f"position {position}"
    if position:
        when += f" ({time_text(archive.commit(position).at)})"
    gone = ", deleted by then" if isinstance(state, Session) and state.deleted else ""
    print(f"{plain(name)} as of {when}{gone}")
    for field, value in _view(state).items():
        print(f"  {field:<16} {_value(value)}")


def _view(state: Any) -> dict[str, Any]:
    view = session_view(state) if isinstance(state, Session) else vm_view(state)
    fields = msgspec.to_builtins(view)
    assert isinstance(fields, dict)
    return fields


def _value(value: Any) -> str:
    return plain(value) if isinstance(value, str) and value else shown(value, VALUE_CHARS_MAX)


def _as_json(state: Any, position: Position) -> dict[str, Any]:
    what = "vm" if isinstance(state, Vm) else "session"
    told = {"as_of": position, what: open_only(_view(state))}
    return {**told, "deleted": state.deleted} if isinstance(state, Session) else told


async def _list(
    given: argparse.Namespace, archive: Archive, snapshots: Snapshots, position: Position
) -> None:
    wanted = SessionFilter(
        tenant=given.tenant,
        kinds=tuple(given.kind),
        statuses=tuple(given.status),
        owner=given.owner,
        labels=tuple(given.label),
    )
    matches = functools.partial(session_matches, wanted)
    count = 0
    quiet = sys.stdout.isatty()
    async for page in _pages(given, archive, snapshots, position, quiet):
        for state in filter(matches, page):
            count += 1
            sys.stdout.write(_line(given, state, position))
    if not given.json:
        print(f"{count} session{'' if count == 1 else 's'} as of position {position}")


def _line(given: argparse.Namespace, state: Session, position: Position) -> str:
    if given.json:
        return command.json_line(_as_json(state, position))
    words = (time_text(state.created_at), state.id, f"{state.kind:<10}", f"{state.status:<9}")
    return "  ".join((*words, plain(state.owner, 40), plain(state.title, 60))).rstrip() + "\n"


async def _pages(
    given: argparse.Namespace,
    archive: Archive,
    snapshots: Snapshots,
    position: Position,
    quiet: bool,
) -> AsyncIterator[Iterable[Session]]:
    if not given.from_zero:
        with command.progress("folding", position, quiet=quiet) as advance:
            history = History(ArchiveLog(archive), snapshots)
            fleet = await history.fleet(position, lambda done, _: advance(done))
        async for page in fleet.newest(SESSION):
            yield page
        return
    # One stream after the other: whatever the number of sessions, one state is held.
    began = archive.streams(Position(0), position)
    with command.progress("folding", len(began), quiet=quiet) as advance:
        for number, stream in enumerate(reversed(began)):
            if number % PROGRESS_EVERY == 0:
                advance(number)
            state = _folded(archive, stream, position)
            if isinstance(state, Session):
                yield [state]


def _folded(archive: Archive, began: Position, position: Position) -> Any:
    state = None
    for commit in archive.commits_of(began, position):
        subject = subject_of(commit.stream)
        if subject is None:
            return None
        state = fold(subject, state, commit)
    return state
