"""The file of the read model: rows in, rows out, and the checkpoint beside them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import msgspec

from eventstore.commit import START, Position
from eventstore.sqlite.bulk import ROWS_MAX, insert_parameters, insert_sql, padded_size
from eventstore.sqlite.named import named_queries, sql_text
from eventstore.sqlite.storage import storage_error
from eventstore.sqlite.transaction import Statement, TransactionConnection, transact
from projections.cache_file import (
    CacheDamaged,
    Stale,
    damaged,
    decoded,
    discard,
    worthless,
)
from projections.marks import MARKS
from projections.marks import Row as MarkRow
from projections.subjects import SESSION, SUBJECTS, VIEWS_VERSION, Subject

PACKAGE: Final = "projections.views"
QUERIES: Final = named_queries(PACKAGE)
FILE_NAME: Final = "views.db"
READERS: Final = 2
PAGE_BYTES: Final = 4096
LIVE: Final = ""
NEXT: Final = "_next"
State = TypeVar("State")
TENANT: Final = SESSION.columns.index("tenant")

# NORMAL: what a power cut takes from the views the log gives back.
_WRITER_PRAGMAS: Final = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 4000;
"""

MarkRows = dict[str, dict[Position, list[MarkRow]]]
"""By the table of the marks and the `created` of a session: all its rows there."""
Discarded = Callable[[Exception], None]
"""Told why the file that was there is thrown away."""


def _silent(_: Exception) -> None: ...


class Views:
    """The read model in `folder`; one writer, the follower, and any number of readers."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]
    ) -> None:
        self._path = path
        self._writer = writer
        self._readers = readers
        self._turn = 0
        self.checkpoint = START
        self.tenants: set[str] = set()
        self._damage: CacheDamaged | None = None
        self._generation = 0

    @classmethod
    async def open(
        cls,
        folder: Path,
        epoch: str,
        head: Position | None = None,
        discarded: Discarded = _silent,
    ) -> Views:
        """Open the views of the log called `epoch`, which ends at `head`; raises StorageError.

        Anything else found there is thrown away: another file, or views of a longer log.
        """
        path = folder / FILE_NAME
        try:
            try:
                return await cls._open(path, epoch, head)
            except (Stale, sqlite3.DatabaseError) as error:
                if not worthless(error):
                    raise
                discarded(error)
                discard(path)
                return await cls._open(path, epoch, head)
        except sqlite3.Error as error:
            raise storage_error(error) from error

    @classmethod
    async def _open(cls, path: Path, epoch: str, head: Position | None) -> Views:
        if path.exists() and not _usable(path):
            raise Stale
        writer = await aiosqlite.connect(
            path, isolation_level=None, cached_statements=128, factory=TransactionConnection
        )
        views = cls(path, writer, [])
        try:
            await writer.executescript(_WRITER_PRAGMAS)
            await views._load(epoch, head)
            for _ in range(READERS):
                reader = await aiosqlite.connect(
                    f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
                )
                views._readers.append(reader)
                reader.text_factory = bytes
                await reader.executescript("PRAGMA query_only = 1; PRAGMA cache_size = -32768;")
        except BaseException:
            await views.close()
            raise
        return views

    async def _load(self, epoch: str, head: Position | None) -> None:
        tables = list(await self._writer.execute_fetchall(QUERIES["count_tables"]))
        if tables[0][0] == 0:
            schema = _schema("schema.sql", LIVE, 0) + _schema("indexes.sql", LIVE, 0)
            await self._writer.executescript(
                f"BEGIN; {QUERIES['make_checkpoint']}; {schema} COMMIT;"
            )
            start = (epoch, VIEWS_VERSION)
            await self._writer.execute_fetchall(QUERIES["start_checkpoint"], start)
        rows = list(await self._writer.execute_fetchall(QUERIES["checkpoint"]))
        if not rows or rows[0][:2] != (epoch, VIEWS_VERSION):
            raise Stale
        self.checkpoint, self._generation = Position(rows[0][2]), rows[0][3]
        found = await self._writer.execute_fetchall(QUERIES["tenants"])
        self.tenants = {tenant for (tenant,) in found}
        if head is not None and self.checkpoint > head:
            raise Stale
        # A rebuild that did not end left its tables.
        await self._writer.executescript(f"BEGIN IMMEDIATE; {_drop_next()} COMMIT;")

    async def close(self) -> None:
        """Close every connection."""
        for connection in (*self._readers, self._writer):
            await connection.close()

    async def write(
        self,
        rows: Mapping[str, Sequence[tuple[object, ...]]],
        marks: MarkRows,
        checkpoint: Position,
        tables: str = LIVE,
    ) -> None:
        """Put the rows of each subject (by prefix) in place; all or nothing, with the checkpoint.

        With `tables=NEXT` the rows go into the tables of a rebuild and the checkpoint stays.
        Raises CacheDamaged and sqlite3.Error.
        """
        statements: list[Statement] = []
        for prefix, subject_rows in rows.items():
            clause, conflict = _upsert(SUBJECTS[prefix], tables)
            chunks = _chunks(subject_rows)
            statements.extend(_insert(clause, chunk, conflict) for chunk in chunks)
        for table, marked in marks.items():
            statements.extend(_mark_statements(table, marked, tables))
        if tables == LIVE:
            statements.append((QUERIES["set_checkpoint"], (checkpoint,)))
        with self._sound():
            await transact(self._writer, statements)
        self.tenants.update(str(row[TENANT]) for row in rows.get(SESSION.prefix, ()))
        if tables == LIVE:
            self.checkpoint = checkpoint

    async def reclaim(self) -> None:
        """Give back the disk that the WAL takes, where that can be done."""
        with contextlib.suppress(sqlite3.Error):
            await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def make_next(self) -> None:
        """Make empty tables for a rebuild; those of one that did not end are dropped."""
        schema = _schema("schema.sql", NEXT, self._generation + 1)
        await self._script(f"{_drop_next()} {schema}")

    async def index_next(self) -> None:
        """Make the indexes of the tables of a rebuild, once their rows stand."""
        schema = _schema("indexes.sql", NEXT, self._generation + 1)
        await self._script(schema)

    async def switch(self, checkpoint: Position) -> None:
        """The tables of the rebuild become the live ones, in one transaction."""
        renames = " ".join(
            f"DROP TABLE {table}; ALTER TABLE {table}{NEXT} RENAME TO {table};"
            for table in _tables()
        )
        moved = f"position = {int(checkpoint)}, generation = {self._generation + 1}"
        await self._script(f"{renames} UPDATE checkpoint SET {moved};")
        self._generation += 1
        self.checkpoint = checkpoint

    async def _script(self, sql: str) -> None:
        with self._sound():
            await self._writer.executescript(f"BEGIN IMMEDIATE; {sql} COMMIT;")

    async def states(self, subject: Subject, ids: Iterable[str], tables: str = LIVE) -> list[Any]:
        """The states of the subject's rows with these ids, in no order; raises CacheDamaged."""
        wanted = msgspec.json.encode(list(ids)).decode()
        sql = QUERIES["states"].replace("__TABLE__", subject.table + tables)
        source = self._writer if tables else self._reader()
        with self._sound():
            rows = await source.execute_fetchall(sql, (wanted,))
            return decoded(rows, msgspec.json.Decoder(subject.state).decode)

    async def fetch(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """The rows of a read-only query, TEXT as bytes; raises CacheDamaged."""
        with self._sound():
            rows = await self._reader().execute_fetchall(sql, parameters)
        return [tuple(row) for row in rows]

    async def listed(
        self, decode: Callable[[bytes], State], sql: str, parameters: Sequence[object]
    ) -> list[State]:
        """The states that are the one column of a read-only query; raises CacheDamaged."""
        with self._sound():
            return decoded(await self._reader().execute_fetchall(sql, parameters), decode)

    def check(self) -> None:
        """Raises CacheDamaged if anybody was told that since the views were opened."""
        if self._damage is not None:
            raise self._damage

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        """Raises CacheDamaged, and removes the file, where SQLite finds it damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not damaged(error):
                raise
            # Who has it open keeps it; a start finds none, and makes another one from the log.
            discard(self._path)
            self._damage = CacheDamaged(f"{FILE_NAME} is damaged: {error}")
            raise self._damage from error

    def _reader(self) -> aiosqlite.Connection:
        self._turn = (self._turn + 1) % len(self._readers)
        return self._readers[self._turn]


def _usable(path: Path) -> bool:
    # SQLite sees that whole pages are missing, but reads zeros for the rest of a cut one.
    return os.access(path, os.W_OK) and path.stat().st_size % PAGE_BYTES == 0


def _drop_next() -> str:
    return " ".join(f"DROP TABLE IF EXISTS {table}{NEXT};" for table in _tables())


def _tables() -> list[str]:
    return [*(subject.table for subject in SUBJECTS.values()), *(marks.table for marks in MARKS)]


def _schema(file: str, tables: str, generation: int) -> str:
    text = sql_text(PACKAGE, file)
    return text.replace("__NEXT__", tables).replace("__N__", f"_{generation}")


def _upsert(subject: Subject, tables: str) -> tuple[str, str]:
    changes = ", ".join(f"{name} = excluded.{name}" for name in subject.columns[1:])
    insert = f"INSERT INTO {subject.table}{tables} ({', '.join(subject.columns)})"
    return insert, f"ON CONFLICT (created) DO UPDATE SET {changes}"


def _mark_statements(
    table: str, marked: Mapping[Position, list[MarkRow]], tables: str
) -> Iterator[Statement]:
    keys = msgspec.json.encode(list(marked)).decode()
    yield QUERIES["drop_marks"].replace("__TABLE__", table + tables), (keys,)
    columns = next(one.columns for one in MARKS if one.table == table)
    clause = f"INSERT INTO {table}{tables} ({', '.join(columns)})"
    for chunk in _chunks([row for rows in marked.values() for row in rows]):
        yield _insert(clause, chunk)


def _insert(clause: str, rows: Sequence[tuple[object, ...]], conflict: str = "") -> Statement:
    size, columns = padded_size(len(rows)), len(rows[0])
    sql = f"{insert_sql(clause, columns, size)} {conflict}"
    return sql, insert_parameters(rows, columns, size)


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterable[Sequence[tuple[object, ...]]]:
    return (rows[start : start + ROWS_MAX] for start in range(0, len(rows), ROWS_MAX))
