"""Write the events of a log to a file: JSON Lines (CloudEvents 1.0), CSV or Parquet.

An export of everything, as JSON Lines, can be made into an equal log by import_.py. Values that are
sealed stay sealed: the keys are in vault.db, which is no part of an export. In CSV, text that a
spreadsheet would take for a formula begins with an apostrophe; the other forms are exact. Nothing
is overwritten, and no part of a file is left where the export could not be finished.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from eventstore.errors import LogContradicted
from eventstore.sqlite.archive import Archive
from scripts.audit import command
from scripts.audit.command import DOES_NOT_HOLD, HOLDS, CannotRun
from scripts.audit.evidence import Maker, told
from scripts.audit.formats import Csv, JsonLines, Sink
from scripts.audit.parquet import Parquet, need_pyarrow
from scripts.audit.selection import Selection, add_options, selected
from scripts.audit.target import new_file

STDOUT: Final = Path("-")
MAKE: Final[dict[str, Callable[[BinaryIO, Archive, Selection], Sink]]] = {
    "jsonl": JsonLines,
    "csv": lambda file, _archive, _selection: Csv(file),
    "parquet": Parquet,
}


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    format: str
    file: str
    commits: int
    events: int
    complete: bool
    epoch: str
    size: int
    root: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = command.parser(__doc__)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="- is stdout")
    form = "default: by the name of FILE, else jsonl"
    parser.add_argument("--format", choices=MAKE, help=form)
    parser.add_argument(
        "--evidence", action="store_true", help="a bundle about --session for verify_evidence.py"
    )
    parser.add_argument("--no-artifacts", action="store_true", help="evidence without the files")
    parser.add_argument("--heads", type=Path, metavar="DIR", help="the signed heads (DATA/heads)")
    add_options(parser)
    return command.answer(arguments, parser, _export)


def _export(given: argparse.Namespace) -> int:
    with command.pipe_may_close():
        if given.evidence:
            return _evidence(given)
        _tell(given, _exported(given))
    return HOLDS


def _evidence(given: argparse.Namespace) -> int:
    others = (given.format, given.tenant, given.actor, given.kind, given.begin, given.until)
    if given.session is None or any(others):
        raise CannotRun("--evidence is about one --session, whole: other choices do not go with it")
    with Archive(given.data) as archive:
        try:
            selected(given, archive)
            maker = Maker(given, archive)
        except (LogContradicted, msgspec.MsgspecError) as error:
            print(f"export.py: {error}", file=sys.stderr)
            return DOES_NOT_HOLD
        with _opened(given.to) as file:
            file.writelines(maker.parts())
    lines = [msgspec.json.encode(maker.evidence).decode()] if given.json else told(maker.evidence)
    print("\n".join(lines), file=sys.stderr if given.to == STDOUT else sys.stdout)
    return HOLDS


def _exported(given: argparse.Namespace) -> Exported:
    form = given.format or _form_of(given.to)
    if form == "parquet":
        need_pyarrow()
    with Archive(given.data) as archive:
        selection = selected(given, archive)
        with _opened(given.to) as file:
            commits, events = _write(
                MAKE[form](file, archive, selection), archive, selection, quiet=given.json
            )
        return Exported(
            format=form,
            file=str(given.to),
            commits=commits,
            events=events,
            complete=selection.complete,
            epoch=archive.epoch,
            size=selection.until,
            root=archive.root(selection.until).hex(),
        )


def _form_of(path: Path) -> str:
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in MAKE else "jsonl"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path != STDOUT:
        with new_file(path) as file:
            yield file
        return
    if sys.stdout.isatty():
        raise CannotRun("stdout is a terminal: give a file, or send the export to a program")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()


def _write(sink: Sink, archive: Archive, selection: Selection, *, quiet: bool) -> tuple[int, int]:
    """How many commits were written, and how many events."""
    commits = events = 0
    total = selection.until - selection.after
    with command.progress("exporting", total, quiet=quiet) as advance:
        for page in selection.pages(archive, advance):
            try:
                sink.write(page)
            except (ValueError, OverflowError) as error:  # no service wrote such a commit
                first = page[0].commit.position
                raise CannotRun(f"a commit from position {first} on: {error}") from None
            commits += len(page)
            events += sum([len(recorded.commit.events) for recorded in page])
    sink.finish()
    return commits, events


def _tell(given: argparse.Namespace, exported: Exported) -> None:
    """The answer; on stderr where the export itself went to stdout."""
    if given.json:
        line = msgspec.json.encode(exported).decode()
    else:
        line = (
            f"{exported.events} events of {exported.commits} commits written to {exported.file}; "
            f"the log has the root {exported.root} at position {exported.size}"
        )
    print(line, file=sys.stderr if given.to == STDOUT else sys.stdout)
