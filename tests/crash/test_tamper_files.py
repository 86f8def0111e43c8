"""Files that were changed around the commits: the database's own pages, its schema, the heads."""

import contextlib
import random
import re
import shutil
import sqlite3

import pytest

from eventstore.checkpoint import Signer
from eventstore.errors import LogFormatError
from eventstore.heads import HeadFolder
from eventstore.sqlite.log import SqliteLog
from eventstore.testimony import Sources
from tests.support.logs import wish
from tests.support.tampering import COMMITS, HEAD_SIZES, OLDER

SEED = 20_260_201
OFFSETS = 60
OFFSETS_SLOW = 2_000
HEADER_BYTES = 100


def all_that_is_read(file):
    """Everything that anybody reads of a log, through every index too."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        schema = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        without_comments = [(kind, name, re.sub("--.*", "", sql)) for kind, name, sql in schema]
        return without_comments, [
            connection.execute(query).fetchall()
            for query in (
                "SELECT * FROM log",
                "SELECT * FROM commits NOT INDEXED ORDER BY position",
                "SELECT stream, previous, position FROM commits INDEXED BY commits_by_stream",
                "SELECT id, position FROM commits INDEXED BY commits_by_id",
                "SELECT name FROM commits INDEXED BY commits_by_name WHERE name IS NOT NULL",
                "PRAGMA application_id",
                "PRAGMA user_version",
                "PRAGMA integrity_check",
            )
        ]


def flips_that_nobody_noticed(copy, offsets, source):
    """The offsets where one flipped bit was found by no verification, and changed what is read."""
    intact = copy.file.read_bytes()
    expected = all_that_is_read(copy.file)
    outcomes = {"found": 0, "refused": 0, "harmless": 0}
    unnoticed = []
    for offset in offsets:
        raw = bytearray(intact)
        raw[offset] ^= 1 << source.randrange(8)
        copy.file.write_bytes(raw)
        try:
            outcome = "harmless" if copy.verified().holds else "found"
        except LogFormatError:
            outcome = "refused"
        outcomes[outcome] += 1
        if outcome == "harmless" and all_that_is_read(copy.file) != expected:
            unnoticed.append((offset, raw[offset]))
    copy.file.write_bytes(intact)
    print("seed", SEED, outcomes)
    assert outcomes["found"]
    return unnoticed


@pytest.mark.parametrize(
    "count",
    [OFFSETS, pytest.param(OFFSETS_SLOW, marks=pytest.mark.slow)],  # 2,000 verifications
)
def test_a_flipped_bit_anywhere_in_the_file_is_found_or_changes_nothing(copy, count):
    source = random.Random(SEED)
    size = copy.file.stat().st_size
    offsets = [*range(0, HEADER_BYTES, 1 if count > OFFSETS else 7)]
    offsets += [source.randrange(HEADER_BYTES, size) for _ in range(count)]
    created_at = (sqlite3.connect(copy.file).execute("SELECT created_at FROM log").fetchone())[0]
    unnoticed = flips_that_nobody_noticed(copy, offsets, source)
    # When the log was made stands in no commit: informative, and only exports repeat it.
    where = copy.file.read_bytes().find(created_at.to_bytes(8, "big"))
    assert where > 0
    assert [one for one in unnoticed if not where <= one[0] < where + 8] == []


@pytest.mark.parametrize("page", range(1, 8))
@pytest.mark.parametrize("what", ["zeros", "noise", "cut"])
def test_a_torn_file_is_a_finding_and_no_crash(copy, page, what):
    size = int(sqlite3.connect(copy.file).execute("PRAGMA page_size").fetchone()[0])
    pages = copy.file.stat().st_size // size
    number = pages * page // 8
    raw = bytearray(copy.file.read_bytes())
    if what == "cut":
        del raw[number * size :]
    else:
        torn = bytes(size) if what == "zeros" else random.Random(SEED).randbytes(size)
        raw[number * size : (number + 1) * size] = torn
    copy.file.write_bytes(raw)
    verified = copy.verified()
    assert not verified.holds
    assert any("SQLite" in one.what for one in verified.findings)
    assert verified.position <= COMMITS


GUARD = "commits_are_gapless"
SCHEMA = {
    "a guard is gone": ("DROP TRIGGER commits_are_not_deleted", "is gone"),
    "a guard sleeps": (
        f"DROP TRIGGER {GUARD}; CREATE TRIGGER {GUARD} AFTER INSERT ON log BEGIN SELECT 1; END",
        "another one",
    ),
    "a trigger more": (
        "CREATE TRIGGER extra AFTER INSERT ON commits BEGIN SELECT 1; END",
        "no log has it",
    ),
    "a table more": ("CREATE TABLE extra (x)", "no log has it"),
    "an index is gone": ("DROP INDEX commits_by_stream", "is gone"),
    "an index is not unique": (
        "DROP INDEX commits_by_id; CREATE INDEX commits_by_id ON commits (id)",
        "another one",
    ),
    "the view lies": (
        "DROP VIEW events; CREATE VIEW events AS SELECT 1 AS position",
        "another one",
    ),
    "the epoch is another": ("UPDATE log SET epoch = 'other'", "it is of the log"),
    "no epoch": ("DELETE FROM log", "has 0 rows"),
}


@pytest.mark.parametrize("case", SCHEMA)
def test_a_schema_that_was_changed_is_found(copy, case):
    change, words = SCHEMA[case]
    with contextlib.closing(sqlite3.connect(copy.file)) as connection:
        connection.executescript(change)
    verified = copy.verified()
    assert any(words in one.what for one in verified.findings), verified.findings


def test_statistics_that_sqlite_keeps_are_no_change(copy):
    with contextlib.closing(sqlite3.connect(copy.file)) as connection:
        connection.execute("ANALYZE")
    assert copy.verified().holds


@pytest.mark.parametrize(
    ("index", "columns", "where"),
    [
        ("commits_by_stream", "(stream, previous)", ""),
        ("commits_by_id", "(id)", ""),
        ("commits_by_name", "(name)", " WHERE name IS NOT NULL"),
    ],
)
def test_an_index_that_hides_a_commit_is_found(copy, index, columns, where):
    hidden = next(row[0] for row in copy.rows() if row[3] is not None and row[0] > 9)
    beside = f"{where} AND" if where else " WHERE"
    with contextlib.closing(sqlite3.connect(copy.file, isolation_level=None)) as connection:
        sql = "SELECT sql FROM sqlite_schema WHERE name = ?"
        as_made = connection.execute(sql, (index,)).fetchone()[0]
        connection.execute(f"DROP INDEX {index}")
        connection.execute(
            f"CREATE UNIQUE INDEX {index} ON commits {columns}{beside} position <> {hidden}"
        )
        connection.execute("PRAGMA writable_schema = 1")
        change = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
        connection.execute(change, (as_made, index))
    verified = copy.verified()
    assert verified.position == COMMITS, "the commits are as they were"
    assert any(index in one.what for one in verified.findings), verified.findings


def test_an_older_file_put_back_shows_against_the_heads(copy, original):
    shutil.copy(original.with_name("older.db"), copy.file)
    (found,) = copy.verified().findings
    first = next(size for size in HEAD_SIZES if size > OLDER)
    assert (found.subject, found.after, found.until) == ("history", OLDER, first)


async def test_an_older_file_that_went_on_by_itself_shows_at_the_next_head(copy, original):
    shutil.copy(original.with_name("older.db"), copy.file)
    log = await SqliteLog.open(copy.folder)
    for number in range(COMMITS - OLDER):
        await log.append(wish(f"thing/{number % 9}", data=["another history"]))
    await log.close()
    verified = copy.verified()
    (found,) = verified.findings
    assert (found.after, found.until, verified.vouched) == (100, 180, 100)
    assert verified.position == verified.size == COMMITS


def test_every_flip_in_a_head_is_found(copy):
    source = random.Random(SEED)
    print("seed", SEED)
    file = copy.heads / f"{180:020d}.checkpoint"
    note = file.read_bytes()
    sources = Sources(vkey=HeadFolder(copy.heads).vkey(), kept=(str(file),))
    epoch = copy.verified().epoch
    assert len(sources.of(epoch).heads) == 1
    for at in range(len(note)):
        changed = bytearray(note)
        changed[at] ^= 1 << source.randrange(8)
        file.write_bytes(changed)
        heads, findings = sources.of(epoch)
        assert (heads, [one.subject for one in findings]) == ([], ["head"]), (at, changed)


def test_a_head_under_another_name_or_by_another_key_does_not_count(copy):
    file = copy.heads / f"{180:020d}.checkpoint"
    file.rename(copy.heads / f"{181:020d}.checkpoint")
    (found,) = copy.verified().findings
    assert (found.subject, "it is of 180 commits" in found.what) == ("head", True)
    epoch = copy.verified().epoch
    stranger = Signer.from_seed(f"sessiond/{epoch}", b"s" * 32)
    strange = copy.verified(vkey=stranger.verifier.vkey)
    assert len(strange.findings) == len(HEAD_SIZES)
    assert strange.vouched == 0
    forged = copy.heads / f"{181:020d}.checkpoint"
    forged.write_text(stranger.sign(181, bytes(32)))
    (found,) = copy.verified().findings
    assert "no signature of it is by" in found.what
