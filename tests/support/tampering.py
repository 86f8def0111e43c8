"""A log with signed heads, ways to tamper with it, and what a verification says of it then."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from eventstore.checkpoint import Signer
from eventstore.heads import HeadFolder
from eventstore.merkle import Tree, leaf_hash
from eventstore.sqlite.backup import copy_database
from eventstore.sqlite.log import FILE_NAME, SqliteLog
from eventstore.sqlite.verifying import Ask, verify
from eventstore.testimony import Sources
from eventstore.verification import Finding, Verified
from tests.support.logs import wish

COMMITS = 300
HEAD_SIZES = (40, 100, 180, 256, 270)
OLDER = 150
"""At this size a copy is made, as `older.db` beside the folder."""
STREAMS = 23
COLUMNS = ("stream", "previous", "name", "id", "body", "node")
_INSERT = "INSERT INTO commits (position, stream, previous, name, id, body, node) VALUES "
_INSERT += "(?, ?, ?, ?, ?, ?, ?)"


async def make_log(folder: Path) -> None:
    """A log of COMMITS commits in `folder`, with a head at each of HEAD_SIZES."""
    source = random.Random(7)
    log = await SqliteLog.open(folder)
    heads = HeadFolder(folder / "heads")
    signer = Signer.from_seed(f"sessiond/{log.epoch}", bytes(32))
    heads.write_vkey(signer.verifier.vkey)
    for number in range(1, COMMITS + 1):
        stream = f"thing/{source.randrange(STREAMS)}"
        await log.append(wish(stream, id=source.randbytes(16), data=[number, "ab" * (number % 40)]))
        if number in HEAD_SIZES:
            heads.write(signer.sign(number, log.head().root), number)
        if number == OLDER:
            copy_database(folder / FILE_NAME, folder.with_name("older.db"), lambda *_: None)
    await log.close()


@contextlib.contextmanager
def unguarded(file: Path) -> Iterator[sqlite3.Connection]:
    """The database without what guards it; what is done to it is kept, the guards come back."""
    connection = sqlite3.connect(file, isolation_level=None)
    with contextlib.closing(connection):
        guards = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        connection.executescript("PRAGMA ignore_check_constraints = 1; PRAGMA synchronous = 0")
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in guards:
            connection.execute(sql)


def cut_off(folder: Path, size: int) -> None:
    """Take away the end of a log that nobody writes, so that `size` commits are left."""
    with unguarded(folder / FILE_NAME) as connection:
        connection.execute("DELETE FROM commits WHERE position > ?", (size,))


class Copy:
    """A copy of a log folder, to be tampered with."""

    def __init__(self, original: Path, folder: Path) -> None:
        shutil.copytree(original, folder)
        self.folder = folder
        self.file = folder / FILE_NAME
        self.heads = folder / "heads"

    def edited(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """As `unguarded`."""
        return unguarded(self.file)

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows of the log, in order."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            select = "SELECT position, stream, previous, name, id, body, node FROM commits"
            return connection.execute(f"{select} ORDER BY position").fetchall()

    def rewrite(self, bodies: list[bytes]) -> None:
        """The log as it would be had `bodies` been written, every column and hash in step."""
        tree, first, rows = Tree(), dict[str, int](), []
        for body in bodies:
            said = msgspec.json.decode(body)
            at, stream, before = said["position"], said["stream"], said["previous"]
            key = first.setdefault(stream, at)
            node = tree.append(leaf_hash(body))
            name = None if before else stream
            rows.append((at, key, before, name, bytes.fromhex(said["id"]), body, node))
        with self.edited() as connection:
            connection.execute("DELETE FROM commits")
            connection.executemany(_INSERT, rows)

    def rewrite_loosely(self, bodies: list[bytes]) -> None:
        """As `rewrite`, where two commits may follow the same one."""
        with self.edited() as connection:
            sql = "SELECT sql FROM sqlite_schema WHERE name = 'commits_by_stream'"
            index = connection.execute(sql).fetchone()[0]
            connection.execute("DROP INDEX commits_by_stream")
            connection.execute(index.replace("UNIQUE ", ""))
        self.rewrite(bodies)

    def verified(self, **sources: Any) -> Verified:
        """What a verification finds."""
        heads = HeadFolder(self.heads)
        chosen = {"vkey": heads.vkey(), "folder": str(self.heads), **sources}
        return verify(Ask(path=self.folder, sources=Sources(**chosen)), _nobody)

    def commit_found(self) -> Finding:
        """The first bad commit that a verification finds; fails unless there is one."""
        verified = self.verified()
        assert not verified.holds
        found = [one for one in verified.findings if one.subject == "commit"]
        assert found, verified.findings
        return found[0]


def _nobody(done: int, size: int) -> None:
    pass


def with_flip(value: Any, source: random.Random) -> Any:
    """`value` with one bit of one byte changed, of the same type."""
    if isinstance(value, int):
        return value ^ 1 << source.randrange(16)
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[source.randrange(len(raw))] ^= 1 << source.randrange(7 if isinstance(value, str) else 8)
    return raw.decode() if isinstance(value, str) else bytes(raw)
