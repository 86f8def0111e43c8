"""Make an equal log of a complete export: the same positions, the same bodies, the same root.

The export must be JSON Lines of everything from the first position on (export.py without --session,
--tenant, --actor, --kind and --from). It is refused with the number of the first bad line where a
line is missing, changed or out of order, and where its end is missing. The new log has the epoch of
the old one, so that its signed heads hold for it too; never let a service run on both. vault.db is
no part of an export: put it beside the log, or sealed values stay sealed for good. All or nothing:
what could not be finished leaves no log.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from eventstore.checkpoint import Checkpoint, Verifier
from eventstore.heads import VKEY_FILE, HeadFolder
from eventstore.ports import Head
from eventstore.sqlite.archive import FILE_NAME
from eventstore.sqlite.bulkload import BulkLoad, NotNext
from eventstore.sqlite.storage import lock
from scripts.audit import command
from scripts.audit.command import DOES_NOT_HOLD, HOLDS, CannotRun
from scripts.audit.reading import BadLine, CommitReader
from scripts.audit.target import new_part

CACHES: Final = (FILE_NAME, "views.db", "snapshots.db")
LOCK: Final = "lock"
STDIN: Final = Path("-")
PAGE: Final = 500
VAULT: Final = "vault.db is no part of an export: put it beside the log, or what is sealed stays so"


class Disagrees(Exception):
    """The log that was read is not the one that was expected."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What was made."""

    folder: str
    epoch: str
    commits: int
    events: int
    root: str
    checked: list[str]
    note: str = VAULT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="FILE", help="- is stdin"
    )
    made.add_argument("--to", type=Path, required=True, metavar="DIR", help="the new data folder")
    made.add_argument("--expect-root", metavar="HEX", help="the root that the whole log must have")
    made.add_argument("--head", type=Path, metavar="FILE", help="a signed head that must hold")
    key = f"who signed the head (default: {VKEY_FILE} beside it)"
    made.add_argument("--key", type=Path, metavar="FILE", help=key)
    made.add_argument("--json", action="store_true", help="answer in JSON, for machines")
    return command.answer(arguments, made, _import)


def _import(given: argparse.Namespace) -> int:
    head = _expected_head(given)
    try:
        with _opened(given.source) as file, _new_log(given.to) as part:
            imported = _load(file, part, given, head)
    except (BadLine, NotNext, Disagrees) as error:
        if given.json:
            command.say({"error": str(error), "line": getattr(error, "line", None)})
        print(f"import_.py: {given.source}: {error}", file=sys.stderr)
        return DOES_NOT_HOLD
    _tell(given, imported)
    return HOLDS


@command.pipe_may_close()
def _tell(given: argparse.Namespace, imported: Imported) -> None:
    if given.json:
        command.say(imported)
        return
    print(f"{imported.commits} commits ({imported.events} events) are now the log in {given.to}")
    print(f"epoch {imported.epoch}")
    print(f"root {imported.root}, as {' and '.join(imported.checked)} said")
    print(VAULT)


def _load(
    file: BinaryIO, part: Path, given: argparse.Namespace, expected: Checkpoint | None
) -> Imported:
    """Fill `part` with what `file` says; raises BadLine, NotNext or Disagrees."""
    reader = CommitReader(file)
    commits = iter(reader)
    page = list(itertools.islice(commits, 1))
    load = BulkLoad(part, reader.epoch, reader.created_at)
    with closing(load), _bar(given) as advance:
        head_root = None
        while page:
            load.append(page)
            advance(file.tell() if file.seekable() else load.tree.size)
            if expected is not None and load.tree.size == expected.size:
                head_root = load.tree.root()
            page = list(itertools.islice(commits, _page_size(load, expected)))
        made = load.finish()
    return Imported(
        folder=str(given.to),
        epoch=made.epoch,
        commits=made.size,
        events=reader.events,
        root=made.root.hex(),
        checked=_checked(given, made, reader.root, expected, head_root),
    )


def _page_size(load: BulkLoad, expected: Checkpoint | None) -> int:
    """A page ends where the expected head does."""
    if expected is None or load.tree.size >= expected.size:
        return PAGE
    return min(PAGE, expected.size - load.tree.size)


def _checked(
    given: argparse.Namespace,
    made: Head,
    said: str,
    expected: Checkpoint | None,
    head_root: bytes | None,
) -> list[str]:
    """By what the root was checked; raises Disagrees."""
    checked = ["the export"]
    root = made.root.hex()
    if root != said:
        raise Disagrees(f"the root of its lines is {root}, but its last line says {said}")
    if given.expect_root is not None:
        if root != given.expect_root.lower():
            raise Disagrees(f"the root is {root}, and {given.expect_root} was expected")
        checked.append("--expect-root")
    if expected is not None:
        if expected.origin != f"sessiond/{made.epoch}":
            raise Disagrees(f"the head is of {expected.origin}, the export of {made.epoch}")
        if head_root is None:
            raise Disagrees(f"it ends at {made.size}, before the head's position {expected.size}")
        if head_root != expected.root:
            raise Disagrees(f"the head has another root at position {expected.size}")
        checked.append(f"the signed head at position {expected.size}")
    return checked


def _expected_head(given: argparse.Namespace) -> Checkpoint | None:
    if given.head is None:
        return None
    if given.key is not None:
        verifier = Verifier.parse(given.key.read_text())
    else:
        beside = HeadFolder(given.head.parent).verifier()
        if beside is None:
            raise CannotRun(f"there is no {VKEY_FILE} beside {given.head}: give the --key")
        verifier = beside
    return verifier.open(given.head.read_text())


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


@contextmanager
def _bar(given: argparse.Namespace) -> Iterator[command.Advance]:
    total = 0 if given.source == STDIN else given.source.stat().st_size
    with command.progress("importing", total, quiet=given.json) as advance:
        yield advance


@contextmanager
def _new_log(folder: Path) -> Iterator[Path]:
    """Where the log is to be written; it becomes that of `folder` at the end of the block."""
    known = [name for name in CACHES if any(folder.glob(f"{name}*"))]
    if known:
        raise CannotRun(f"{folder} has a log already, or what is left of one: {', '.join(known)}")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    locked = not (folder / LOCK).exists()
    with lock(folder):  # no service begins a log of its own here meanwhile
        try:
            with new_part(folder / FILE_NAME) as part:
                yield part
        except BaseException:
            if locked:
                (folder / LOCK).unlink(missing_ok=True)
            if made:
                with suppress(OSError):
                    folder.rmdir()
            raise
