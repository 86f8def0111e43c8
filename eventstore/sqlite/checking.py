"""The parts of a verification that read the file; each can run in a process of its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from eventstore.errors import LogFormatError
from eventstore.sqlite.archive import connect
from eventstore.sqlite.named import named_queries, sql_text
from eventstore.sqlite.storage import APPLICATION_ID, FORMAT, PACKAGE, storage_error
from eventstore.verification import (
    PAGE,
    Finding,
    Segment,
    Streams,
    check_page,
)

QUERIES: Final = named_queries(PACKAGE, "verify.sql")
TOLD_EVERY: Final = 16
"""Pages between two words of progress."""
STEPS_PER_TURN: Final = 1_000_000
"""Steps of SQLite's machine between two words of life from a long statement."""
# Our statements are right: where one is an error, the schema is not what it was.
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_TOOBIG")
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a file can raise that was tampered with."""
_COMMENT: Final = re.compile(r"--[^\n]*")

Told = Callable[[int], object]


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """The log at `file`, by a connection that cannot write and reads whatever text is there."""
    connection, shm = connect(file)
    try:
        with closing(connection):
            connection.text_factory = _text
            yield connection
    finally:
        if shm is not None:
            shm.unlink(missing_ok=True)


def damage(error: sqlite3.Error | UnicodeDecodeError) -> str:
    """What is broken about the file; raises StorageError where it could not be read."""
    if isinstance(error, UnicodeDecodeError):  # SQLite quotes the schema in its message
        return "SQLite: malformed database schema"
    if not str(getattr(error, "sqlite_errorname", "")).startswith(_DAMAGED):
        raise storage_error(error) from error
    return f"SQLite: {error}"


def check_format(connection: sqlite3.Connection, file: Path) -> list[Finding]:
    """What keeps SQLite from reading the file as it is.

    Raises LogFormatError unless this is a log of the format that this version reads.
    """
    findings = []
    try:
        application, version = _format(connection)
    except UNREADABLE as error:
        findings.append(Finding(subject="file", what=damage(error)))
        try:
            # Then it also reads a file that was cut off, up to there.
            connection.execute("PRAGMA writable_schema = 1")
            application, version = _format(connection)
        except UNREADABLE as still:
            raise LogFormatError(f"{file}: {damage(still)}") from still
    if application != APPLICATION_ID:
        raise LogFormatError(f"{file} is not a sessiond log")
    if version != FORMAT:
        raise LogFormatError(f"{file} has format {version}, this version reads {FORMAT}")
    return findings


def _format(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return application, connection.execute("PRAGMA user_version").fetchone()[0]


def check_rows(
    file: Path, after: int, until: int, told: Told, *, alone: bool, torn: bool = False
) -> Segment:
    """The commits after `after`, a multiple of PAGE, up to `until`; stops at the first fault.

    `alone`: no other segment will be joined to this one; `torn`: the file may be cut off, and
    `until` is beyond its end. Raises StorageError.
    """
    segment = Segment(after=after, until=until, reached=after)
    streams = Streams(after, until)
    with opened(file) as connection:
        try:
            if torn:
                connection.execute("PRAGMA writable_schema = 1")
            while segment.reached < until and segment.fault is None:
                _check_page(connection, segment, streams)
                if segment.reached // PAGE % TOLD_EVERY == 0:
                    told(segment.reached)
        except UNREADABLE as error:
            words = f"it cannot be read after commit {segment.reached}: {damage(error)}"
            segment.fault = Finding(subject="file", what=words, after=segment.reached)
    if not alone:
        streams.add_to(segment)
    return segment


def _check_page(connection: sqlite3.Connection, segment: Segment, streams: Streams) -> None:
    after, until = segment.reached, min(segment.reached + PAGE, segment.until)
    rows = connection.execute(QUERIES["page"], (after, until)).fetchall()
    nodes, segment.fault = check_page(after, until, rows, streams)
    if len(nodes) == PAGE:
        segment.pages.append((nodes[-1], rows[-1][-1]))
    if segment.fault is None:
        segment.reached = until


def check_indexes(file: Path, told: Told) -> list[Finding]:
    """What SQLite's own check finds: pages, types, constraints, and indexes against the rows.

    An index that lacks a row hides a commit from reads by stream, and from the tree it is not seen.
    Raises StorageError.
    """

    def turn() -> int:
        told(0)
        return 0

    with opened(file) as connection:
        connection.set_progress_handler(turn, STEPS_PER_TURN)
        try:
            rows = connection.execute(QUERIES["integrity"]).fetchall()
        except UNREADABLE as error:
            return [Finding(subject="file", what=damage(error))]
    words = [row[0] for row in rows if row[0] != "ok"]
    return [Finding(subject="file", what=f"SQLite: {one}") for one in words]


def check_frame(connection: sqlite3.Connection) -> tuple[str, list[Finding]]:
    """The epoch, and what is wrong around the commits."""
    findings = list(_schema_differences(connection))
    rows = connection.execute(QUERIES["log_rows"]).fetchall()
    if len(rows) != 1 or rows[0][0] != 1:
        findings.append(
            Finding(subject="file", what=f"the table log has {len(rows)} rows, not one")
        )
    epoch = str(rows[0][1]) if rows else ""
    first = connection.execute(QUERIES["first"]).fetchone()[0]
    if first < 1:
        words = f"there is a row at position {first}, and positions begin at 1"
        findings.append(Finding(subject="commit", position=first, what=words))
    return epoch, findings


def last_position(connection: sqlite3.Connection) -> int:
    """The position of the last commit."""
    return int(connection.execute(QUERIES["last"]).fetchone()[0])


def _schema_differences(connection: sqlite3.Connection) -> Iterator[Finding]:
    found = _schema(connection)
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(sql_text(PACKAGE, "schema.sql"))
        expected = _schema(fresh)
    for name in sorted(expected.keys() - found.keys()):
        yield Finding(subject="file", what=f"the {name} is gone from the schema")
    for name in sorted(found.keys() - expected.keys()):
        yield Finding(subject="file", what=f"the {name} is in the schema, and no log has it")
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            yield Finding(
                subject="file", what=f"the {name} is another one than the log was made with"
            )


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute(QUERIES["schema"]).fetchall()
    return {name: " ".join(_COMMENT.sub("", sql).split()) for name, sql in rows}


def node_at(connection: sqlite3.Connection, position: int) -> bytes:
    """The hash stored at a position that was verified."""
    found: Any = connection.execute(QUERIES["node"], (position,)).fetchone()
    return bytes(found[0])


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
