"""An export as Parquet, in typed columns, by `pyarrow`, which is an extra."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from eventstore.cloudevents import source_of
from eventstore.commit import Event, Recorded
from eventstore.merkle import leaf_hash
from eventstore.sqlite.archive import Archive
from scripts.audit.command import CannotRun
from scripts.audit.selection import Selection
from scripts.audit.start import ROOT

# A row group is held in memory: large commits make it end early.
GROUP_ROWS_MAX: Final = 50_000
GROUP_BYTES_MAX: Final = 32 << 20


def need_pyarrow() -> None:
    """Raises CannotRun, with the command that installs it, where it is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        constraints = shlex.quote(str(ROOT / "constraints.txt"))
        python = shlex.quote(sys.executable)
        raise CannotRun(
            f"Parquet needs pyarrow: run {python} -m pip install -c {constraints} pyarrow"
        )


class Parquet:
    """Row groups of limited size; the log's name and size stand in the file's metadata."""

    def __init__(self, file: BinaryIO, archive: Archive, selection: Selection) -> None:
        pyarrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")

        self._arrow = pyarrow
        metadata = {"source": source_of(archive.epoch), "until": str(selection.until)}
        self._schema = _schema(pyarrow).with_metadata(metadata)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[tuple[object, ...]] = []
        self._bytes = 0

    def write(self, page: Sequence[Recorded]) -> None:
        """The next commits."""
        for recorded in page:
            self._bytes += len(recorded.body)
            leaf = leaf_hash(recorded.body)
            self._rows += [
                _row(recorded, n, event, leaf) for n, event in enumerate(recorded.commit.events)
            ]
            if len(self._rows) >= GROUP_ROWS_MAX or self._bytes >= GROUP_BYTES_MAX:
                self._flush()

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [
            self._arrow.array(column, type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows, self._bytes = [], 0


def _schema(arrow: Any) -> Any:
    text, whole = arrow.string(), arrow.int64()
    columns = [
        ("position", whole, False),
        ("n", arrow.int32(), False),
        ("time", arrow.timestamp("us", tz="UTC"), False),
        ("type", text, False),
        ("v", arrow.int32(), False),
        ("stream", text, False),
        ("actor", text, False),
        ("tenant", text, False),
        ("tags", arrow.list_(text), False),
        ("commit_id", text, False),
        ("previous", whole, False),
        ("correlation_id", text, True),
        ("causation", whole, True),
        ("traceparent", text, True),
        ("leaf", arrow.binary(32), False),
        ("data", text, False),
    ]
    return arrow.schema([arrow.field(*column[:2], nullable=column[2]) for column in columns])


def _row(recorded: Recorded, n: int, event: Event, leaf: bytes) -> tuple[object, ...]:
    commit = recorded.commit
    return (
        commit.position,
        n,
        commit.at,
        event.type,
        event.v,
        commit.stream,
        commit.actor,
        commit.tenant,
        commit.tags,
        commit.id,
        commit.previous,
        commit.correlation_id or None,
        commit.causation or None,
        commit.traceparent or None,
        leaf,
        bytes(event.data).decode(),
    )
