"""The log folded from zero, held against every row of the lists, and what is said of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from eventstore.commit import START
from eventstore.sqlite.archive import Archive, being_written, connect
from projections.comparison import Compared, Difference, compare
from projections.views.store import FILE_NAME, NEXT
from projections.wording import open_only, plain, shown
from scripts.audit import command
from scripts.audit.command import CannotRun
from scripts.audit.lines import Page, Telling, as_object

VALUE_CHARS_MAX: Final = 400
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table'"


def check(archive: Archive, *, as_json: bool) -> int:
    """Compare, tell the outcome, and give its exit code; raises CannotRun and what `compare` does.

    While a rebuild makes the lists anew, what it would say is out of date when it is said.
    """
    folder = archive.path.parent
    if being_written(folder) and _rebuilding(folder / FILE_NAME):
        raise CannotRun("a rebuild of the lists is running: check them when it is done")
    with command.progress("folding", archive.size) as advance:
        found = compare(archive, folder, advance)
    with command.pipe_may_close():
        if as_json:
            command.say(_as_json(archive, found))
        else:
            print(*_sentences(archive, found), sep="\n")
    return command.HOLDS if found.difference is None else command.DOES_NOT_HOLD


def _rebuilding(views: Path) -> bool:
    if not views.is_file():
        return False
    connection, shm = connect(views)
    with closing(connection):
        tables = [str(name) for (name,) in connection.execute(_TABLES)]
    if shm is not None:
        shm.unlink(missing_ok=True)
    return any(name.endswith(NEXT) for name in tables)


def _as_json(archive: Archive, found: Compared) -> dict[str, Any]:
    told: dict[str, Any] = {"holds": found.difference is None, **msgspec.structs.asdict(found)}
    different = found.difference
    if different is not None:
        told["difference"] = open_only(msgspec.to_builtins(different))
        told["events"] = [as_object(line) for line in _lines(archive, different)]
    return told


def _sentences(archive: Archive, found: Compared) -> list[str]:
    different = found.difference
    at = f"as of position {found.checkpoint:,}"
    if different is None:
        events = f"{found.events:,} events in {found.commits:,} commits"
        return [f"holds: {events} fold to the {found.rows:,} rows of the lists {at}"]
    told = [
        f"does not hold {at}: {_place(different)}",
        f"  the log says    {_value(different.expected)}",
        f"  the lists say   {_value(different.found)}",
    ]
    if different.split == START:
        return [*told, "  no event of the log explains it"]
    page = Page(archive.size, None)
    return [
        *told,
        "  they part at:",
        *(page.text(line)[:-1] for line in _lines(archive, different)),
    ]


def _place(different: Difference) -> str:
    row = f"the row of {different.id}" if different.id else "a row"
    column = f", field {different.column}" if different.column else ""
    return f"table {different.table}, {plain(row)}{column}, created at {different.created:,}"


def _value(value: Any) -> str:
    return "nothing" if value is None else shown(value, VALUE_CHARS_MAX)


def _lines(archive: Archive, different: Difference) -> list[Any]:
    if different.split == START:
        return []
    return list(Telling().lines([archive.commit(different.split)]))
