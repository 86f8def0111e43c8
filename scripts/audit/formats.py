"""The forms of an export: JSON Lines of CloudEvents, CSV for spreadsheets; Parquet has its module.

A CSV is opened by spreadsheets, and a cell that begins like a formula is one to them: such text
gets an apostrophe in front. JSON Lines and Parquet hold every text exactly as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import BinaryIO, Final, Protocol

from eventstore.cloudevents import (
    Record,
    closed,
    encode_record,
    opened,
    records,
    source_of,
    tags_text,
    time_text,
)
from eventstore.commit import Recorded
from eventstore.sqlite.archive import Archive
from scripts.audit.selection import Selection

COLUMNS: Final = (
    "position",
    "n",
    "time",
    "type",
    "v",
    "stream",
    "actor",
    "tenant",
    "tags",
    "commit_id",
    "previous",
    "correlation_id",
    "causation",
    "traceparent",
    "data",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Sink(Protocol):
    """Where the records of an export go."""

    def write(self, page: Sequence[Recorded]) -> None:
        """The next commits."""
        ...

    def finish(self) -> None:
        """No more will come."""
        ...


class JsonLines:
    """One CloudEvent on each line; a complete export names its log at both ends."""

    def __init__(self, file: BinaryIO, archive: Archive, selection: Selection) -> None:
        self._file = file
        self._source = source_of(archive.epoch)
        self._created_at = archive.created_at
        self._first = selection.complete
        self._size = selection.until if selection.complete else 0
        self._root = archive.root(self._size)

    def write(self, page: Sequence[Recorded]) -> None:
        """The next commits."""
        source = self._source
        made = [record for recorded in page for record in records(recorded, source)]
        if made:
            self._mark(made)
            self._file.write(b"\n".join(map(encode_record, made)) + b"\n")

    def _mark(self, made: list[Record]) -> None:
        if self._first:
            self._first = False
            made[0] = opened(made[0], self._created_at)
        if made[-1].position == self._size:
            made[-1] = closed(made[-1], self._size, self._root)

    def finish(self) -> None:
        """Every line is written already."""


class Csv:
    """RFC 4180 with a line of names; `data` is JSON."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        self._rows.writerow(COLUMNS)

    def write(self, page: Sequence[Recorded]) -> None:
        """The next commits."""
        self._rows.writerows([row for recorded in page for row in _rows(recorded)])

    def finish(self) -> None:
        """Leave the file open to who gave it."""
        self._text.flush()
        self._text.detach()


def _rows(recorded: Recorded) -> list[tuple[object, ...]]:
    commit = recorded.commit
    time = time_text(commit.at)
    return [
        (
            commit.position,
            n,
            time,
            _cell(event.type),
            event.v,
            _cell(commit.stream),
            _cell(commit.actor),
            _cell(commit.tenant),
            _cell(tags_text(commit.tags)),
            _cell(commit.id),
            commit.previous,
            _cell(commit.correlation_id),
            commit.causation or "",
            _cell(commit.traceparent),
            # JSON begins like a formula only where it is a negative number, which is none.
            bytes(event.data).decode(),
        )
        for n, event in enumerate(commit.events)
    ]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
