"""What the audit scripts share: options, exit codes, progress, positions and times.

0: what was asked holds. 1: it does not. 2: it could not be found out.
"""

from __future__ import annotations

import argparse
import io
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eventstore.commit import Position
from eventstore.errors import EventStoreError
from eventstore.sqlite.archive import Archive
from projections.wording import time_text

HOLDS: Final = 0
DOES_NOT_HOLD: Final = 1
COULD_NOT_RUN: Final = 2

Advance = Callable[[int], None]
"""Told how far the work has come."""


class CannotRun(Exception):
    """One clear sentence on why the question has no answer."""


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with what every audit script takes."""
    made = argparse.ArgumentParser(description=doc)
    made.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the data folder, or a log.db"
    )
    made.add_argument("--json", action="store_true", help="answer in JSON, for machines")
    return made


def answer(
    arguments: Sequence[str] | None,
    made: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace], int],
) -> int:
    """The exit code of `work`; whatever keeps it from running is one line and the code 2."""
    given = made.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the terminal can show
    try:
        return work(given)
    except (CannotRun, EventStoreError, sqlite3.Error, OSError) as error:
        message = str(error) or type(error).__name__
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f"something in the log or the lists cannot be read ({error}): verify.py says what"
    except KeyboardInterrupt:
        message = "stopped"
    if given.json:
        say({"error": message})
    print(f"{made.prog}: {message}", file=sys.stderr)
    return COULD_NOT_RUN


def say(value: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json_line(value))
    sys.stdout.flush()


def json_line(value: Any) -> str:
    """One line of JSON; what does not print is escaped, since a terminal might obey it."""
    text = msgspec.json.encode(value).decode()
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    return text + "\n"


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


@contextmanager
def pipe_may_close() -> Iterator[None]:
    """A reader that has seen enough, such as `head`, ends the output and is no failure."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python tries once more at its exit, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress(what: str, total: int, *, quiet: bool = False) -> Iterator[Advance]:
    """A bar on stderr where that is a terminal, else nothing."""
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda completed: bar.update(task, completed=completed)


def moment(text: str, archive: Archive) -> Position:
    """The position that a POSITION or an RFC 3339 TIME means in this log; raises CannotRun."""
    if text.isascii() and text.isdigit():
        position = Position(int(text))
        if position > archive.size:
            raise CannotRun(f"position {position} is beyond the end of the log, {archive.size}")
        return position
    found = archive.position_at(time_us(text))
    if not found:
        first = time_text(archive.commit(Position(1)).at) if archive.size else "never"
        raise CannotRun(f"{text} is before the first event ({first})")
    return found


def time_us(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time; UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CannotRun(f"{text} is neither a position nor a time like 2026-01-31T12:00Z") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
