"""Reading an export back, line by line; the first line that is not as it was written is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from eventstore.cloudevents import (
    NotExact,
    Record,
    decode_record,
    epoch_of,
    restored,
    time_us,
)
from eventstore.commit import Recorded

# The largest commit of one event, twice in base64, is a third of this.
LINE_BYTES_MAX: Final = 8 << 20


class BadLine(Exception):
    """The export is not whole and unchanged; `line` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


class CommitReader:
    """The commits of a complete export; iterating raises BadLine.

    After the first commit `epoch` and `created_at` are known, after the last one `root`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.epoch = ""
        self.created_at = 0
        self.root = ""
        self.events = 0
        self._file = file
        self._source = ""
        self._position = 0

    def __iter__(self) -> Iterator[Recorded]:
        group: list[Record] = []
        for record in self._records():
            group.append(record)
            if len(group) == record.count:
                yield self._commit(group)
                group = []
        if group:
            raise self._bad("the rest of its commit is missing after it")
        if not self.root:
            last = f"the export ends at position {self._position} without its end"
            raise self._bad(f"{last}: it was cut off, or made with --from or a filter")

    def _records(self) -> Iterator[Record]:
        n = 0
        while line := self._file.readline(LINE_BYTES_MAX):
            self.events += 1
            if len(line) == LINE_BYTES_MAX:
                raise self._bad("it is longer than any line of an export")
            try:
                record = decode_record(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise self._bad(f"it is no record of an export ({error})") from None
            self._check_place(record, n)
            n = 0 if n + 1 == record.count else n + 1
            yield record

    def _check_place(self, record: Record, n: int) -> None:
        if self.root:
            raise self._bad("the export ended with the line before")
        if self.events == 1:
            self._begin(record)
        elif record.source != self._source or record.logcreated:
            raise self._bad("it is of another export than the first line")
        if n == 0:
            if record.position != self._position + 1:
                raise self._bad(f"position {record.position} follows position {self._position}")
            self._position += 1
        if record.position != self._position or record.n != n or not n < record.count:
            raise self._bad(f"event {n} of position {self._position} is expected here")
        if record.logsize or record.logroot:
            if record.logsize != self._position or record.n + 1 != record.count:
                raise self._bad(f"it says that the export ends at position {record.logsize}")
            self.root = record.logroot

    def _begin(self, first: Record) -> None:
        try:
            self.epoch = epoch_of(first.source)
            if not first.logcreated:
                raise NotExact("it is not the first line of a complete export")
            self.created_at = time_us(first.logcreated)
        except NotExact as error:
            raise self._bad(str(error)) from None
        self._source = first.source

    def _commit(self, group: list[Record]) -> Recorded:
        try:
            return restored(group)
        except NotExact as error:
            raise BadLine(self.events - len(group) + 1, str(error)) from None

    def _bad(self, why: str) -> BadLine:
        return BadLine(max(self.events, 1), why)
